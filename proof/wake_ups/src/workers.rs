//! Workers that wait for sockets together: what is queued is taken, whatever its taker does, and all end.

use std::sync::Arc;

use crate::pool::{Function, Pool, Task, run};
use crate::work_queue::Kind;

/// What has to hold for so many workers, of which so many are on duty.
type OfWorkers = fn(usize, usize);

pub(crate) const MODELS: &[(&str, OfWorkers)] = &[
    (
        "what is pushed from outside, and by a worker, is taken, and the close reaches each",
        |workers, on_duty| {
            run(
                workers,
                on_duty,
                3,
                &[
                    |pool: &Arc<Pool>| pool.share(task(1)),
                    |pool| pool.event(Task { wakes: const { &[task(3)] }, ..task(2) }),
                ],
            );
        },
    ),
    (
        "a worker that is woken for what is queued, and blocks in something else before, has another one woken",
        |workers, on_duty| {
            run(
                workers,
                on_duty,
                2,
                &[|pool: &Arc<Pool>| {
                    pool.event(Task { blocks_for: 2, ..task(1) });
                    pool.share(task(2));
                }],
            );
        },
    ),
    ("a task that wakes another one and then blocks for it is no deadlock", |workers, on_duty| {
        run(
            workers,
            on_duty,
            2,
            &[|pool: &Arc<Pool>| pool.event(Task { wakes: const { &[task(2)] }, blocks_for: 2, ..task(1) })],
        );
    }),
    ("what is queued behind a task that blocks is taken by others", |workers, on_duty| {
        run(
            workers,
            on_duty,
            3,
            &[
                |pool: &Arc<Pool>| pool.share(Task { blocks_for: 3, ..task(1) }),
                |pool| {
                    pool.share(task(2));
                    pool.share(task(3));
                },
            ],
        );
    }),
    ("a function that blocks holds up no task", |workers, on_duty| {
        const CALLS: Task = Task { calls: &[Function { blocks_for: 3, ..function(2) }], ..task(1) };
        run(workers, on_duty, 3, &[|pool: &Arc<Pool>| pool.event(CALLS), |pool| pool.event(task(3))]);
    }),
    (
        "a function that blocks does not hold up its own task, which was woken while it called",
        |workers, on_duty| {
            const CALLS: Task =
                Task { calls: &[Function { blocks_for: 3, ..function(2) }], again: &[task(3)], ..task(1) };
            run(workers, on_duty, 3, &[|pool: &Arc<Pool>| pool.event(CALLS)]);
        },
    ),
    ("a function from outside, for a file, runs beside that of a task", |workers, on_duty| {
        const CALLS: Task = Task { calls: &[function(2)], ..task(1) };
        const FILE: Function = file(3);
        run(workers, on_duty, 3, &[|pool: &Arc<Pool>| pool.event(CALLS), |pool| pool.share_function(FILE)]);
    }),
    (
        "work with a file that waits gets its turn beside a function that waits, and each runs",
        |workers, on_duty| {
            // Each by a worker of its own, and more than may run.
            const CALLS: [Task; 2] = [
                Task { calls: &[Function { then: &[task(5)], ..function(2) }], ..task(1) },
                Task { calls: &[file(4)], ..task(3) },
            ];
            run(
                workers,
                on_duty,
                6,
                &[|pool: &Arc<Pool>| {
                    pool.event(CALLS[0]);
                    pool.event(CALLS[1]);
                    pool.share_function(function(6));
                }],
            );
        },
    ),
    (
        "work with a file runs once, whoever takes it: a worker, or a function beside it",
        |workers, on_duty| {
            const CALLS: Task =
                Task { calls: &[Function { helps: true, then: &[task(4)], ..function(2) }], ..task(1) };
            run(
                workers,
                on_duty,
                4,
                &[|pool: &Arc<Pool>| pool.event(CALLS), |pool| pool.share_function(file(3))],
            );
        },
    ),
    (
        "a function that may not run yet, and is called before its worker looks at sockets, runs later",
        |workers, on_duty| {
            // In the fourth turn, after which a worker looks.
            const FOURTH: Task = Task { calls: &[function(7)], ..task(6) };
            const THIRD: Task = Task { again: &[FOURTH], ..task(5) };
            const SECOND: Task = Task { again: &[THIRD], ..task(4) };
            const FIRST: Task = Task { again: &[SECOND], ..task(3) };
            const HOLDS: Task = Task { calls: &[Function { blocks_for: 6, ..function(2) }], ..task(1) };
            run(workers, on_duty, 7, &[|pool: &Arc<Pool>| pool.event(HOLDS), |pool| pool.event(FIRST)]);
        },
    ),
    (
        "a function that is called where another has ended is left behind by no worker that waits",
        |workers, on_duty| {
            const LAST: Function = Function { blocks_for: 5, ..function(4) };
            const THIRD: Function = Function { calls: &[LAST], ..function(3) };
            const SECOND: Function = Function { calls: &[THIRD], ..function(2) };
            run(
                workers,
                on_duty,
                5,
                &[
                    |pool: &Arc<Pool>| pool.event(Task { calls: const { &[SECOND] }, ..task(1) }),
                    |pool| {
                        pool.event(task(5));
                    },
                ],
            );
        },
    ),
    ("no more functions run than may, and each does", |workers, on_duty| {
        const CALL: [Task; 2] =
            [Task { calls: &[function(2)], ..task(1) }, Task { calls: &[function(4)], ..task(3) }];
        run(workers, on_duty, 4, &[|pool: &Arc<Pool>| pool.event(CALL[0]), |pool| pool.event(CALL[1])]);
    }),
    (
        "a function that waits for its turn gets it also where the worker of the one before goes on with what blocks",
        |workers, on_duty| {
            const GOES_ON: Function =
                Function { blocks_for: 3, then: &[Task { blocks_for: 4, ..task(5) }], ..function(2) };
            const CALL: [Task; 2] =
                [Task { calls: &[GOES_ON], ..task(1) }, Task { calls: &[function(4)], ..task(3) }];
            run(
                workers,
                on_duty,
                5,
                &[|pool: &Arc<Pool>| {
                    pool.event(CALL[0]);
                    pool.event(CALL[1]);
                }],
            );
        },
    ),
    (
        "a function whose place another worker takes holds up no other, and what it wakes at its end is done",
        |workers, on_duty| {
            // There are as many threads as can be checked where it is called by one of two workers.
            if workers > 2 {
                return;
            }
            const WAITS: Function = Function {
                gives_place_up: true,
                blocks_for: 4,
                then: &[Task { calls: &[function(6)], ..task(5) }],
                ..function(2)
            };
            const CALLS: Task = Task { calls: &[WAITS], again: &[OTHER], ..task(1) };
            const OTHER: Task = Task { calls: &[function(4)], ..task(3) };
            run(workers, on_duty, 6, &[|pool: &Arc<Pool>| pool.event(CALLS)]);
        },
    ),
];

const fn function(name: u32) -> Function {
    Function {
        name,
        blocks_for: 0,
        then: &[],
        calls: &[],
        gives_place_up: false,
        helps: false,
        kind: Kind::Function,
    }
}

const fn file(name: u32) -> Function {
    Function { kind: Kind::File, ..function(name) }
}

const fn task(name: u32) -> Task {
    Task { name, blocks_for: 0, wakes: &[], calls: &[], again: &[] }
}
