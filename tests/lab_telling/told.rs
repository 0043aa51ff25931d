//! `[notify]`: a program and a web server by TLS, in the gateway's own namespace.

use std::time::Duration;

use serde_json::Value;

use crate::lab::process::{Daemon, eventually};
use crate::lab::{Lab, PYTHON};

/// Writes each body that is posted to it as a line, and answers the first one with an error.
const SERVER: &str = r#"
import http.server, ssl, sys
certificate, key, log = sys.argv[1:]
class Hook(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Hook.asked += 1
        if Hook.asked == 1:
            self.send_error(503)
            return
        with open(log, "ab") as lines:
            lines.write(body + b"\n")
        self.send_response(204)
        self.end_headers()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server = http.server.HTTPServer(("127.0.0.1", 4443), Hook)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// The server, and where it and the program leave what they are told.
pub struct Addressees<'lab> {
    lab: &'lab Lab,
    _server: Daemon,
}

impl<'lab> Addressees<'lab> {
    /// Starts the server, with a certificate of its own that the gateway trusts.
    pub fn start(lab: &'lab Lab) -> Self {
        let at = |name: &str| lab.dir.join(name);
        let cert = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(at("trusted.crt"), cert.cert.pem()).expect("a file");
        std::fs::write(at("hook.key"), cert.signing_key.serialize_pem()).expect("a file");
        let mut server = lab.command("gw", PYTHON);
        server.args(["-c", SERVER]).args([at("trusted.crt"), at("hook.key"), at("posted")]);
        let server = Daemon::start(&mut server, &at("hook.log"));
        eventually("the server listens", Duration::from_secs(10), || {
            lab.try_sh("gw", "curl -sk -o /dev/null https://localhost:4443/").is_some()
        });
        Self { lab, _server: server }
    }

    /// What the configuration says of them.
    pub fn config(&self) -> String {
        let dir = self.lab.dir.display();
        // What a child inherits is listed first; then it hangs, for longer than it may.
        let script = format!("ls -l /proc/self/fd >> {dir}/inherited; cat >> {dir}/ran; sleep 1000");
        format!(
            "\n[notify]\nexec = [\"/bin/sh\", \"-c\", '{script}']\nwebhook = \"https://localhost:4443/\"\n\
             timeout = \"2s\"\n"
        )
    }

    /// Both were told, by the one what by the other, and the program inherited no socket.
    pub fn were_told(&self, kind: &str) {
        for file in ["posted", "ran"] {
            eventually("it is told", Duration::from_secs(60), || {
                self.told(file).iter().any(|event| event["kind"] == kind)
            });
        }
        let inherited = std::fs::read_to_string(self.lab.dir.join("inherited")).expect("it ran");
        assert!(!inherited.contains("socket:") && !inherited.contains("anon_inode"), "{inherited}");
    }

    fn told(&self, file: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.lab.dir.join(file)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }
}
