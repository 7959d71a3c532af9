//! A running `pi-backend`, and a client that keeps its connection. Every read has a deadline, so
//! a server that hangs fails the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// The server; it ends with the value.
pub(crate) struct Backend {
    process: Child,
    pub(crate) address: SocketAddr,
}

/// One connection, used for one request after another.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Backend {
    pub(crate) fn command(args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pi-backend"));
        command.args(args);
        command
    }

    /// Starts the server on a free port, which its first line tells.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut process = Self::command(args)
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .rsplit(' ')
            .next()
            .and_then(|word| word.parse().ok());
        assert!(
            line.contains(" listens on "),
            "unexpected first line {line:?}"
        );
        Self {
            process,
            address: address.expect("an address"),
        }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).expect("connects");
        stream
            .set_read_timeout(Some(READ_TIMEOUT))
            .expect("a timeout");
        Client {
            stream: BufReader::new(stream),
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Client {
    /// Sends a GET with one header line more, or none if it is empty, and reads the answer.
    pub(crate) fn get(&mut self, target: &str, header: &str) -> Answer {
        self.send_get(target, header);
        self.receive(true)
    }

    pub(crate) fn head(&mut self, target: &str) -> Answer {
        self.send(&format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        self.receive(false)
    }

    pub(crate) fn ask(&mut self, request: &str) -> Answer {
        self.send(request);
        self.receive(true)
    }

    pub(crate) fn send_get(&mut self, target: &str, header: &str) {
        let line_end = if header.is_empty() { "" } else { "\r\n" };
        self.send(&format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\n{header}{line_end}\r\n"
        ));
    }

    fn send(&mut self, request: &str) {
        self.stream
            .get_mut()
            .write_all(request.as_bytes())
            .expect("sends");
    }

    /// Reads one answer by its `Content-Length`, so the connection can be used again.
    pub(crate) fn receive(&mut self, with_body: bool) -> Answer {
        let status_line = self.line();
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        let headers: Vec<(String, String)> = std::iter::from_fn(|| Some(self.line()))
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect();
        let status = status.unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
        let mut answer = Answer {
            status,
            headers,
            body: String::new(),
        };
        if with_body {
            let length = answer
                .header("content-length")
                .and_then(|value| value.parse().ok());
            let mut body = vec![0; length.expect("a content-length")];
            self.stream.read_exact(&mut body).expect("a whole body");
            answer.body = String::from_utf8(body).expect("UTF-8");
        }
        answer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        assert!(line.ends_with("\r\n"), "cut off after {line:?}");
        line.trim_end().to_owned()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}
