//! What broke once, told as what must be.

use super::scenarios::{GET, OK};
use super::stage::Stage;

#[test]
fn a_slow_client_gets_interim_and_final_answer_that_came_together() {
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n";
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    stage.stall(client, 10);
    stage.send(stage.link(), [HINTS, OK].concat());
    stage.resume(client);
    assert_eq!(stage.heard(client), [HINTS, OK].concat());
}
