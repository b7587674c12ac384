//! A thread that sleeps, for a rival that is to be measured as a process with several threads is: the C library takes a
//! longer way into each system call from the second thread on, and the servers of this project have one that keeps the
//! time.

/// Begins it if the environment has `SECOND_THREAD`.
pub fn begin() {
    if std::env::var_os("SECOND_THREAD").is_some() {
        std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        });
    }
}
