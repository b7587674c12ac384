//! Time per write of each load through the core alone: `cargo bench -p httpfsm-benches`.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use httpfsm_benches::in_process::InProcess;
use httpfsm_benches::load::Load;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    exchange(&mut criterion);
    criterion.final_summary();
}

fn exchange(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("exchange");
    for load in Load::ALL {
        let bytes = load.bytes();
        let mut connection = InProcess::new();
        group.throughput(Throughput::Elements(load.requests_per_write() as u64));
        group.bench_function(load.name(), |bencher| {
            bencher.iter(|| connection.exchange(black_box(&bytes)));
        });
    }
    group.finish();
}
