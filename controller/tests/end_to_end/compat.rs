//! The HTTP routes of existing fleets. Their gRPC services are tried by `ci.sh`, with a foreign
//! client.

use super::support::{Fleet, port_block, request, web};
use serde_json::Value;

#[test]
fn pages_of_existing_fleets_list_create_and_delete() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let compat = free.local_addr().expect("an address").to_string();
    drop(free);
    let controller = format!("compat_listen = \"{compat}\"");
    let service = web(port_block(), "min = 1, desired = 2, max = 3", "");
    let fleet = Fleet::start_with("compat", &controller, &service);
    fleet.wait_serving(2);
    let list = || -> Value {
        let (status, text) = request(&compat, "GET", "/servers/", "", "");
        assert_eq!(status, 200);
        serde_json::from_str(&text).expect("JSON")
    };
    let servers = list();
    let (address, server) = servers.as_object().unwrap().iter().next().expect("two");
    assert!(
        server["load"].is_number() && server["instance_id"].is_string(),
        "{servers}"
    );
    assert_eq!(request(&compat, "POST", "/servers/create/", "", "").0, 201);
    fleet.wait_serving(3);
    assert_eq!(
        request(&compat, "POST", "/servers/create/", "", "").0,
        409,
        "at max"
    );
    assert_eq!(
        request(&compat, "DELETE", &format!("/servers/{address}/"), "", "").0,
        204
    );
    fleet.wait_serving(2);
    assert!(list().get(address).is_none());
    assert_eq!(
        request(&compat, "DELETE", "/servers/10.0.0.1/", "", "").0,
        404
    );
}
