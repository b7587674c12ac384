//! Paths that are free, stale, taken or of no use, and starts that meet there.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

use super::*;
use crate::unix_peer;

/// Whether the clock of the file system may show this time still.
fn is_this_tick(time: SystemTime) -> bool {
    time.elapsed().is_ok_and(|passed| passed < Duration::from_millis(20))
}

fn current_umask() -> Mode {
    let _alone = lock(&UMASK);
    let current = umask(Mode::from_raw_mode(0o027));
    umask(current);
    current
}

#[test]
fn of_two_that_find_a_stale_socket_the_later_leaves_the_earlier_its_own() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&path)?);
    let mut first = None;
    let second = bind_or_replace(&path, None, &StartTurn::Unknown, || {
        // The number of a file that was removed is given to the next; the clock of the file system moves in ticks.
        while fs::symlink_metadata(&path).is_ok_and(|stale| stale.created().is_ok_and(is_this_tick)) {}
        first = Listener::unix(&path, &SocketOptions::default()).ok();
    });
    assert!(first.is_some());
    if fs::symlink_metadata(&path)?.created().is_err() {
        println!("not run: needs a file system that tells when a file was made");
        return Ok(());
    }
    assert_eq!(second.map(|_| ()).map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
    assert!(UnixStream::connect(&path).is_ok());
    Ok(())
}

#[test]
fn a_socket_that_does_not_listen_yet_is_not_looked_at_by_others() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let (path, options) = (place.path().join("socket"), SocketOptions::default());
    for is_stale in [false, true] {
        if is_stale {
            drop(UnixListener::bind(&path)?);
        }
        let mut turn = None;
        let first = Listener::unix_seen(&path, &options, || {
            turn = Some(StartTurn::wait(&path, Duration::ZERO));
        })?;
        assert!(matches!(turn, Some(StartTurn::Theirs { .. })));
        assert!(UnixStream::connect(&path).is_ok());
        assert!(matches!(StartTurn::wait(&path, Duration::ZERO), StartTurn::Ours { .. }));
        drop(first);
        assert!(!path.exists());
    }
    Ok(())
}

#[test]
fn a_start_that_takes_so_long_that_another_takes_its_path_fails() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let (path, options) = (place.path().join("socket"), SocketOptions::default());
    let mut second = None;
    let first = Listener::unix_seen(&path, &options, || second = Listener::unix(&path, &options).ok());
    let error = first.map(|_| ()).map_err(|error| error.kind());
    assert_eq!(error, Err(io::ErrorKind::AddrInUse));
    assert!(second.is_some() && UnixStream::connect(&path).is_ok());
    Ok(())
}

#[test]
fn of_many_that_start_at_one_stale_path_one_listens() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let (path, options) = (place.path().join("socket"), SocketOptions::default());
    for _ in 0..20 {
        drop(UnixListener::bind(&path)?);
        let start = || Listener::unix(&path, &options).ok();
        let started: Vec<Listener> = thread::scope(|scope| {
            let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            starts.into_iter().filter_map(|start| start.join().ok().flatten()).collect()
        });
        assert_eq!(started.len(), 1);
        assert!(UnixStream::connect(&path).is_ok());
    }
    Ok(())
}

#[test]
fn a_stale_socket_is_replaced_also_where_somebody_keeps_its_folder_locked() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path().join("socket");
    let folder = File::open(place.path())?;
    flock(&folder, FlockOperation::LockShared)?;
    drop(UnixListener::bind(&path)?);
    let _listener = Listener::unix(&path, &SocketOptions::default())?;
    assert!(UnixStream::connect(&path).is_ok());
    assert!(matches!(StartTurn::wait(&path, Duration::ZERO), StartTurn::Theirs { refused: None }));
    drop(folder);
    Ok(())
}

#[test]
fn a_socket_that_appeared_during_the_wait_for_the_lock_is_not_taken_for_a_stale_one() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let (path, other) = (place.path().join("socket"), place.path().join("other"));
    let socket = bind_unix(&path, None)?;
    drop(UnixListener::bind(&other)?);
    // It does not listen yet. There was none at first, or another one.
    for refused in [None, identity(&other)] {
        let error = bind_or_replace(&path, None, &StartTurn::Theirs { refused }, || ()).map(|_| ()).err();
        let error = error.map(|error| (error.kind(), error.to_string()));
        let text = "nobody listens there yet, and its folder is locked by somebody who may be about to";
        assert_eq!(error, Some((io::ErrorKind::AddrInUse, text.to_owned())));
    }
    // It refused at first, and listens now.
    let refused = stale(&path);
    assert!(refused.is_some());
    socket.listen(1)?;
    let second = bind_or_replace(&path, None, &StartTurn::Theirs { refused }, || ()).map(|_| ());
    assert_eq!(second.map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
    assert!(UnixStream::connect(&path).is_ok());
    Ok(())
}

#[test]
fn what_is_no_socket_is_kept_and_named() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let error = Listener::unix(place.path(), &SocketOptions::default()).map(|_| ()).err();
    let error = error.map(|error| (error.kind(), error.to_string()));
    let text = format!("cannot listen on {}: it is there, and is no socket", place.path().display());
    assert_eq!(error, Some((io::ErrorKind::AddrInUse, text)));
    Ok(())
}

#[test]
fn sockets_with_permissions_leave_the_umask_as_it_was() {
    let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let before = current_umask();
    std::thread::scope(|scope| {
        for mode in [0o600, 0o666] {
            let folder = place.path().join(mode.to_string());
            fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
            scope.spawn(move || {
                for n in 0..100 {
                    let options = SocketOptions { unix_mode: Some(mode), ..SocketOptions::default() };
                    assert!(Listener::unix(folder.join(n.to_string()), &options).is_ok());
                }
            });
        }
    });
    assert_eq!(current_umask(), before);
}

#[test]
fn the_owner_of_a_unix_socket_keeps_it_also_with_a_full_backlog() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path().join("socket");
    let options = SocketOptions { backlog: 0, ..SocketOptions::default() };
    let owner = Listener::unix(&path, &options)?;
    // Nobody accepts; what finds no room would wait for ever.
    let mut waiting = Vec::new();
    loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        if socket.connect(&SockAddr::unix(&path)?).is_err() {
            break;
        }
        waiting.push(socket);
    }
    let second = Listener::unix(&path, &options).map(|_| ());
    let error = second.err().unwrap_or_else(|| unreachable!("it is in use"));
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    drop((owner, waiting));
    Ok(())
}

#[test]
fn a_unix_socket_has_the_permissions_that_were_asked_for() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    for mode in [0o600, 0o660, 0o666, 0o777] {
        let path = place.path().join(mode.to_string());
        let options = SocketOptions { unix_mode: Some(mode), ..SocketOptions::default() };
        let listener = Listener::unix(&path, &options)?;
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, mode);
        assert_eq!(listener.local_addr(), &unix_peer(Some(&path)));
        assert!(UnixStream::connect(&path).is_ok());
    }
    Ok(())
}

#[test]
fn a_path_that_cannot_be_made_is_named() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    for path in [place.path().join("none/socket"), place.path().join("x".repeat(200))] {
        let error = Listener::unix(&path, &SocketOptions::default()).map(|_| ()).err();
        let error = error.unwrap_or_else(|| unreachable!("it cannot be made"));
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn a_named_pipe_where_a_folder_should_be_is_not_waited_for() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let pipe = place.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let (tell, told) = std::sync::mpsc::channel();
    let path = pipe.join("socket");
    thread::spawn(move || tell.send(Listener::unix(path, &SocketOptions::default()).map(|_| ())));
    let error = told.recv_timeout(Duration::from_secs(30)).map_err(io::Error::other)?;
    let error = error.err().unwrap_or_else(|| unreachable!("it is no folder"));
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    assert!(error.to_string().contains("pipe/socket"), "{error}");
    Ok(())
}

#[test]
fn only_a_socket_that_nobody_listens_on_is_replaced_and_only_our_own_removed() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path().join("file");
    let listen = || Listener::unix(&path, &SocketOptions::default());
    fs::write(&path, "precious")?;
    assert!(listen().is_err());
    assert_eq!(fs::read_to_string(&path)?, "precious");
    fs::remove_file(&path)?;
    drop(UnixListener::bind(&path)?);
    let ours = listen()?;
    assert!(listen().is_err(), "somebody listens");
    // Another has taken the path since.
    fs::remove_file(&path)?;
    fs::write(&path, "another's")?;
    drop(ours);
    assert_eq!(fs::read_to_string(&path)?, "another's");
    Ok(())
}
