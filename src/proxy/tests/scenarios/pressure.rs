//! Peers that read slowly, and what they may cost.

use super::*;

#[test]
fn while_a_client_blocks_its_backend_is_not_read() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    let link = stage.link();
    stage.stall(client, 5000);
    let body = vec![b'x'; 500_000];
    stage.send(
        link,
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()),
    );
    stage.send(link, &body);
    let unread = stage.world.borrow().wire(link).unread();
    assert!(
        unread > body.len() - 40_000,
        "one read at most is in memory"
    );
    // That read, the request as long as it could be repeated, and the label for the log.
    assert_eq!(stage.proxy.traffic.io.buffers.lent(), 3);
    stage.resume(client);
    assert_eq!(stage.heard(client).len(), 43 + body.len());
}

#[test]
fn while_a_backend_blocks_its_client_is_not_read() {
    let mut stage = Stage::http(1);
    stage.dial(0, Dial::Later);
    let body = vec![b'x'; 500_000];
    let head = format!(
        "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let client = stage.ask(&head);
    let link = stage.link();
    stage.stall(link, 5000);
    stage.establish(link);
    stage.send(client, &body);
    assert!(stage.world.borrow().wire(client).unread() > body.len() - 40_000);
    stage.resume(link);
    assert_eq!(stage.heard(link).len(), head.len() + body.len());
}

#[test]
fn a_backend_that_has_delivered_does_not_wait_for_its_client() {
    let mut stage = Stage::http(1);
    let slow = stage.ask(GET);
    let link = stage.link();
    stage.stall(slow, 10);
    stage.send(link, OK);
    let other = stage.ask(GET);
    assert_eq!(stage.backend_conns().len(), 1);
    stage.send(link, OK.replace("ok", "no"));
    assert!(stage.heard(other).ends_with("no"));
    stage.resume(slow);
    assert_eq!(stage.heard(slow), OK);
}

#[test]
fn clients_that_only_pipeline_are_not_read_either() {
    let mut stage = Stage::http(1);
    let client = stage.ask(GET);
    let flood = GET.repeat(10_000);
    stage.send(client, &flood);
    assert_eq!(stage.world.borrow().wire(client).unread(), flood.len());
    assert_eq!(stage.backend_conns().len(), 1);
}

#[test]
fn a_queued_request_of_a_client_that_closed_is_dropped() {
    for abort_on_close in [true, false] {
        let mut setup = Setup::new(crate::config::Mode::Http, 1);
        setup.abort_on_close = abort_on_close;
        let mut stage = setup.raise();
        stage.limit_backends(1);
        let first = stage.ask(GET);
        let second = stage.ask(GET);
        stage.end(second);
        stage.send(stage.link(), OK);
        assert_eq!(stage.heard(first), OK);
        let sent = stage.heard(stage.link()).matches("GET").count();
        assert_eq!(sent, if abort_on_close { 1 } else { 2 });
        if abort_on_close {
            assert_eq!(stage.log().matches("reason=client_gone").count(), 1);
        }
    }
}
