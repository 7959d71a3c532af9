//! The fleet over gRPC, as a program sees it that has only the proto file.

use super::support::{Fleet, port_block, web};
use std::time::Duration;
use tonic::Code;
use tonic::transport::Channel;
use v1::fleet_client::FleetClient;
use v1::{
    ApplyRequest, DecisionsRequest, GetRequest, ListRequest, PauseRequest, ResumeRequest,
    ScaleRequest, ServerRequest, WatchRequest,
};

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    dead_code,
    reason = "generated"
)]
mod v1 {
    tonic::include_proto!("lb.controller.v1");
}

async fn channel(fleet: &Fleet) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", fleet.address)).expect("a URL");
    let endpoint = endpoint.timeout(Duration::from_secs(20));
    endpoint.connect().await.expect("connects")
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(test);
}

#[test]
fn the_fleet_is_read_steered_and_watched() {
    let fleet = Fleet::start("grpc", &web(port_block(), "desired = 2, max = 3", ""));
    fleet.wait_serving(2);
    run(async {
        let mut client = FleetClient::new(channel(&fleet).await);

        let view = client
            .get(GetRequest {})
            .await
            .expect("is read")
            .into_inner();
        let [web] = view.services.as_slice() else {
            panic!("{view:?}")
        };
        assert_eq!((web.name.as_str(), web.want, web.serving), ("web", 2, 2));
        assert_eq!(view.lbs.len(), 1);

        // Every field of the JSON is there with the same value.
        let list = ListRequest {
            service: "web".to_owned(),
        };
        let servers = client
            .list(list)
            .await
            .expect("is read")
            .into_inner()
            .servers;
        let json = fleet.servers();
        assert_eq!(servers.len(), json.len());
        for (typed, json) in servers.iter().zip(&json) {
            let typed = serde_json::to_value(typed).expect("is written");
            for key in json.as_object().expect("an object").keys() {
                assert!(typed.get(key).is_some_and(|it| !it.is_null()), "{key}");
            }
            assert_eq!(
                (&typed["id"], &typed["token"]),
                (&json["id"], &json["token"])
            );
        }
        let none = ListRequest {
            service: "other".to_owned(),
        };
        assert!(
            client
                .list(none)
                .await
                .expect("is read")
                .into_inner()
                .servers
                .is_empty()
        );

        let watch = client.watch(WatchRequest { after: Some(0) }).await;
        let mut events = watch.expect("is watched").into_inner();
        let first = events
            .message()
            .await
            .expect("comes")
            .expect("there are some");
        assert!(first.seq > 0 && !first.text.is_empty(), "{first:?}");

        let scale = |want| ScaleRequest {
            service: "web".to_owned(),
            want,
        };
        let done = client.scale(scale(3)).await.expect("is done").into_inner();
        assert!(!done.done.is_empty());
        let mut last = first.seq;
        loop {
            let event = events.message().await.expect("comes").expect("goes on");
            assert!(event.seq > last, "in order: {last}, {event:?}");
            last = event.seq;
            if event.server == Some(3) && event.text.contains("serving") {
                break;
            }
        }
        let refused = client
            .scale(scale(99))
            .await
            .expect_err("beyond the maximum");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        let refused = client.restart(ServerRequest { server: 99 }).await;
        assert_eq!(refused.expect_err("there is none").code(), Code::NotFound);

        client
            .drain(ServerRequest { server: 3 })
            .await
            .expect("is drained");
        fleet.wait(20, "two are left", |it| it.serving() == 2);

        let pause = PauseRequest {
            service: String::new(),
            why: "by a test".to_owned(),
        };
        client.pause(pause).await.expect("is paused");
        let view = client
            .get(GetRequest {})
            .await
            .expect("is read")
            .into_inner();
        assert!(
            view.holds.iter().any(|it| it.why == "by a test"),
            "{:?}",
            view.holds
        );
        let all = ResumeRequest::default();
        client.resume(all).await.expect("is resumed");
        client
            .apply(ApplyRequest { force: false })
            .await
            .expect("is applied");
        let of_web = DecisionsRequest {
            service: "web".to_owned(),
            limit: 0,
        };
        client.decisions(of_web).await.expect("is read");
    });
}

#[test]
fn tools_find_the_services_and_their_health_by_themselves() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let fleet = Fleet::start("reflection", &web(port_block(), "desired = 1", ""));
    run(async {
        let channel = channel(&fleet).await;
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(channel.clone());
        let replies = client
            .server_reflection_info(tokio_stream::once(request))
            .await;
        let mut replies = replies.expect("is there").into_inner();
        let reply = replies.message().await.expect("comes").expect("one");
        let Some(MessageResponse::ListServicesResponse(list)) = reply.message_response else {
            panic!("{reply:?}")
        };
        let names: Vec<&str> = list.service.iter().map(|it| it.name.as_str()).collect();
        assert!(names.contains(&"lb.controller.v1.Fleet"), "{names:?}");

        let service = "lb.controller.v1.Fleet".to_owned();
        let mut client = HealthClient::new(channel);
        let health = client
            .check(HealthCheckRequest { service })
            .await
            .expect("is there");
        assert_eq!(health.into_inner().status, 1, "serving");
    });
}

#[test]
fn a_token_is_asked_for_as_over_http() {
    let token = std::env::temp_dir().join(format!("lb-grpc-token-{}", std::process::id()));
    std::fs::write(&token, "a-token-of-some-length\n").expect("is written");
    let controller = format!("token_file = {:?}", token.display().to_string());
    let service = web(port_block(), "desired = 1", "");
    let fleet = Fleet::start_with("grpc-token", &controller, &service);
    run(async {
        let channel = channel(&fleet).await;
        let refused = FleetClient::new(channel.clone()).get(GetRequest {}).await;
        assert_eq!(refused.expect_err("no token").code(), Code::Unauthenticated);
        let with_token = |mut request: tonic::Request<()>| {
            let value = "Bearer a-token-of-some-length".parse().expect("a value");
            request.metadata_mut().insert("authorization", value);
            Ok(request)
        };
        let mut client = FleetClient::with_interceptor(channel, with_token);
        client.get(GetRequest {}).await.expect("is read");
    });
    let _ = std::fs::remove_file(token);
}
