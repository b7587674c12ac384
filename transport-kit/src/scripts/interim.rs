//! 100, 102, 103, and expectations.

use crate::script::{Script, get, post};

pub(crate) fn scripts() -> Vec<Script> {
    let expecting = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: kit\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    };
    vec![
        Script::new("103 before the response").send(get("/early-hints")).until("103").until("hinted"),
        Script::new("no 103 to HTTP/1.0").send("GET /early-hints HTTP/1.0\r\n\r\n").until("hinted").end(),
        Script::new("several interim responses, each seen before the next")
            .send(get("/informational"))
            .until("102 Processing\r\n\r\n")
            .open("informational 102")
            .until(" 103 ")
            .open("informational 103")
            .until(" 103 ")
            .until(" 199 ")
            .open("informational 199")
            .until("informed"),
        Script::new("100 at the first read")
            .send(expecting("/upload"))
            .until("100 Continue\r\n\r\n")
            .send("four")
            .until("end []"),
        Script::new("100 when it is asked for")
            .send(expecting("/continue"))
            .until("100 Continue\r\n\r\n")
            .send("four")
            .open("continue")
            .until("end []"),
        Script::new("no 100 when the body is there")
            .send(expecting("/continue") + "four")
            .open("continue")
            .until("end []"),
        Script::new("an expectation that is refused")
            .send(expecting("/refuse-expect"))
            .until("\r\n\r\nrefused")
            .end(),
        Script::new("an expectation that gets an early response")
            .send(expecting("/early"))
            .until("\r\n\r\nearly")
            .end(),
        Script::new("an expectation that nobody knows")
            .send("POST /upload HTTP/1.1\r\nHost: kit\r\nContent-Length: 4\r\nExpect: the unexpected\r\n\r\n")
            .until("417")
            .end(),
        Script::new("an expectation that is echoed")
            .send(expecting("/echo"))
            .until("100 Continue\r\n\r\n")
            .send("four")
            .until("\r\n\r\nfour")
            .send(get("/hello"))
            .until("world!"),
        Script::new("an expectation whose source has the body and fails")
            .send(expecting("/source-fails"))
            .until("HTTP/1.1 500 ")
            .end(),
        Script::new("an expectation whose source has the body and panics")
            .send(expecting("/source-panics"))
            .until("HTTP/1.1 500 ")
            .end(),
        // When the head has left, no 100 can be sent.
        Script::new("an expectation whose body is first asked for behind the head of the response")
            .send(expecting("/duplex"))
            .until("begin ")
            .until("The request body was first asked for after the head of the response")
            .end(),
        Script::new("an expectation for a blocking handler")
            .send(expecting("/sync"))
            .until("100 Continue\r\n\r\n")
            .send("four")
            .until("\r\n\r\nend"),
        Script::new("103 at once with requests behind")
            .send(get("/early-hints").repeat(3))
            .until("hinted")
            .until("hinted")
            .until("hinted"),
        Script::new("no 100 is asked for").send(post("/continue", "four")).open("continue").until("end []"),
    ]
}
