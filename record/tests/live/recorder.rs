//! Which channels are recorded, and what becomes of the files.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use httpfsm::config::ServerConfig;
use httpfsm::peer::Peer;
use httpfsm_record::{FileRecorder, Options, Which, replay};
use httpfsm_transport::memory::MemoryServer;

use crate::support::{GET, application, recorded, recordings};

#[test]
fn recording_is_switched_while_the_server_serves() {
    let all = recorded(ServerConfig::default(), Options::default(), application, |server, recorder| {
        let mut connect = |from: u8| {
            let client = server.connect_from(Peer::Ip((Ipv4Addr::new(127, 0, 0, from), 9).into())).unwrap();
            client.send(GET);
            server.run();
            client
        };
        recorder.record(Which::Nothing);
        let first = connect(1);
        recorder.record(Which::NextFrom(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3))));
        let others: Vec<_> = [2, 3, 3].map(&mut connect).into();
        assert_eq!(recorder.recorded(), Which::Nothing);
        recorder.record(Which::Named("server.clisrv_6".to_owned()));
        let named: Vec<_> = [4, 5, 6].map(&mut connect).into();
        recorder.record(Which::OneIn(2));
        let sampled: Vec<_> = [7, 7, 7, 7].map(&mut connect).into();
        recorder.record(Which::OneIn(0));
        drop((first, others, named, sampled, connect(8)));
        recorder.record(Which::All);
        drop(connect(9));
    });
    let channels: Vec<_> = all
        .iter()
        .map(|recording| {
            assert_eq!(replay(recording.as_bytes()).unwrap().end, "over");
            let name = recording.split("clisrv_").nth(1).unwrap();
            name.split('"').next().unwrap().parse::<u32>().unwrap()
        })
        .collect();
    assert_eq!(channels, [3, 6, 8, 10, 13]);
}

#[test]
fn no_more_channels_are_recorded_than_may_be_and_no_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    for run in 1..=3 {
        let recorder = FileRecorder::new(folder.path(), Options::default(), 2).unwrap();
        recorder.record(Which::All);
        let tapes = Some(Arc::new(recorder.clone()) as _);
        let mut server = MemoryServer::recorded(ServerConfig::default(), 3_000, None, tapes, application);
        for _ in 0..5 {
            server.connect().unwrap().send(GET);
            server.run();
        }
        drop(server);
        let all = recordings(&recorder, folder.path());
        assert_eq!(all.len(), 2 * run);
        assert!(all.iter().all(|recording| replay(recording.as_bytes()).is_ok()));
    }
}

#[test]
fn a_folder_that_is_gone_harms_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path().join("here"), Options::default(), 2).unwrap();
    recorder.record(Which::All);
    fs::remove_dir(folder.path().join("here")).unwrap();
    let tapes = Some(Arc::new(recorder.clone()) as _);
    let mut server = MemoryServer::recorded(ServerConfig::default(), 3_000, None, tapes, application);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert!(client.take_text().ends_with("Hello, world!"));
    recorder.flush();
}
