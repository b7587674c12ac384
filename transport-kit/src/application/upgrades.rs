//! Connections that become another protocol's.

use httpfsm::handler::{Request, Response, UpgradeFuture};
use httpfsm::status::Status;

use super::{Application, parameter, status};
use crate::record::PartLog;
use crate::sum::Sum;

impl Application {
    pub(super) fn upgrade(&self, request: &Request, log: &PartLog) -> Response {
        let refuses = parameter(request, "refuse").is_some();
        self.tasks.spawn(Box::pin(tunnel(request.upgrade(), log.of("tunnel"))));
        if refuses {
            return Response::text("no").with_status(status(403));
        }
        if request.method() == "CONNECT" {
            return Response::new(Status::OK);
        }
        let mut response = Response::switching_protocols("echo");
        // A head that does not leave at once.
        let bytes = parameter(request, "bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        if bytes > 0 {
            let _ = response.fields.push("X-Fill", "x".repeat(bytes));
        }
        response
    }
}

/// Echoes until the peer's end, then says how much it was.
async fn tunnel(upgrade: UpgradeFuture, log: PartLog) {
    let mut connection = match upgrade.await {
        Ok(connection) => connection,
        Err(error) => return log.end(format_args!("tunnel: {error}")),
    };
    log.note("tunnel begins");
    let (mut buffer, mut sum) = ([0; 4096], Sum::default());
    let end = loop {
        match connection.read(&mut buffer).await {
            Ok(0) => break "end".to_owned(),
            Ok(bytes) => {
                sum.add(&buffer[..bytes]);
                if let Err(error) = connection.write_all(&buffer[..bytes]).await {
                    break format!("{error:?}");
                }
            }
            Err(error) => break format!("{error:?}"),
        }
    };
    if connection.write_all(format!("[{sum}]").as_bytes()).await.is_ok() {
        let _ = connection.close().await;
    }
    drop(connection);
    log.end(format_args!("tunnel {sum}: {end}"));
}
