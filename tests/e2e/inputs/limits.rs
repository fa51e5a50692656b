//! The first filter in front of `/device_authorization`, and the cap behind it.

use super::{fixture, setup};
use crate::support::{Answer, Api};

async fn start(api: &Api, address: &str) -> Answer {
    let request = api.request("POST", "/device_authorization").header("cf-connecting-ip", address);
    Api::send(request.form(&[("client_id", &api.client)])).await
}

fn is_too_many(answer: &Answer) {
    assert_eq!((answer.status, answer.error().as_str()), (429, "temporarily_unavailable"), "{}", answer.body);
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.member("request_id").is_empty());
}

/// The rate limit counts per client and address; RFC 6585 4: 429.
#[tokio::test]
async fn device_sign_ins_are_limited_per_client_and_address() {
    let fixture = setup().rate_limit("LIMIT_DEVICE", 3).start().await;
    let demo = Api::demo(&fixture.a);
    // A refused request spends nothing of it.
    for _ in 0..5 {
        let answer = Api::send(
            demo.request("POST", "/device_authorization")
                .header("cf-connecting-ip", "192.0.2.1")
                .form(&[("client_id", "demo-device"), ("scope", "unknown")]),
        )
        .await;
        assert_eq!(answer.error(), "invalid_scope");
    }
    for _ in 0..3 {
        assert_eq!(start(&demo, "192.0.2.1").await.status, 200);
    }
    let flows = fixture.objects("DeviceFlow").await.len();
    is_too_many(&start(&demo, "192.0.2.1").await);
    assert_eq!(start(&demo, "192.0.2.2").await.status, 200, "another address");
    assert_eq!(start(&Api::public(&fixture.a, "only-device"), "192.0.2.1").await.status, 200, "another client");
    is_too_many(&start(&demo, "192.0.2.1").await);
    assert_eq!(fixture.objects("DeviceFlow").await.len(), flows + 2, "a refused request makes no flow");
}

/// A cap of live flows per client, wherever its requests come from.
#[tokio::test]
async fn a_client_has_only_so_many_open_device_sign_ins() {
    let fixture = fixture();
    let (at_a, at_b) = (Api::public(&fixture.a, "few"), Api::public(&fixture.b, "few"));
    // Half of its four at once.
    assert_eq!(start(&at_a, "192.0.2.1").await.status, 200);
    assert_eq!(start(&at_b, "192.0.2.2").await.status, 200);
    for (api, address) in [(&at_a, "192.0.2.3"), (&at_b, "192.0.2.4")] {
        let answer = start(api, address).await;
        is_too_many(&answer);
        // The next one is free after half a lifetime of 123 seconds.
        assert!((31..=62).contains(&answer.header("retry-after").parse::<u32>().unwrap()), "{answer:?}");
    }
    assert_eq!(start(&Api::demo(&fixture.a), "192.0.2.1").await.status, 200, "another client's are its own");
}
