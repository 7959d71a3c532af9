//! Files of every notation are read, mistakes are told, and each name gets its certificate.

use super::pipe::{Peer, pair, shake_hands};
use super::{Folder, client, client_config, self_signed, self_signed_by, server, spec};
use crate::tls::{Certificate, FileRole, Server, Version};
use std::sync::Arc;
use std::time::Duration;

/// An RSA key of 2,048 bits in each notation, with a certificate for `rsa.example`, and an ECDSA one
/// for the same name.
const RSA_PKCS1: &str = include_str!("../../../tests/tls/rsa-pkcs1.key");
const RSA_PKCS8: &str = include_str!("../../../tests/tls/rsa-pkcs8.key");
const RSA_CHAIN: &str = include_str!("../../../tests/tls/rsa.pem");
const ECDSA_SEC1: &str = include_str!("../../../tests/tls/ecdsa-sec1.key");
const ECDSA_CHAIN: &str = include_str!("../../../tests/tls/ecdsa.pem");

#[test]
fn every_notation_of_a_key_is_read() {
    let folder = Folder::new();
    let rsa = folder.write("rsa.pem", RSA_CHAIN);
    let ecdsa = folder.write("ecdsa.pem", ECDSA_CHAIN);
    for (chain, key) in [(&rsa, RSA_PKCS1), (&rsa, RSA_PKCS8), (&ecdsa, ECDSA_SEC1)] {
        let read = Certificate::read(chain, &folder.write("a.key", key)).unwrap();
        assert_eq!(read.names(), ["rsa.example", "*.rsa.example"]);
    }
    // Chain and key in one file, in any order.
    for both in [
        [ECDSA_SEC1, ECDSA_CHAIN].concat(),
        [ECDSA_CHAIN, ECDSA_SEC1].concat(),
    ] {
        let both = folder.write("both.pem", both);
        assert!(Certificate::read(&both, &both).is_ok());
    }
}

#[test]
fn mistakes_are_told_with_the_file() {
    let folder = Folder::new();
    let good = self_signed(&folder, &["a.example"]);
    let other = self_signed(&folder, &["b.example"]);
    let empty = folder.write("empty", "");
    let text = folder.write("text", "hello\n");
    let broken = folder.write(
        "broken",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    );
    let wrong = folder.write(
        "wrong",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = folder.write("encrypted", encrypted);
    let missing = std::path::PathBuf::from("/nonexistent");
    for (chain, key, role, problem) in [
        (&missing, &good.key, FileRole::Chain, "cannot be read"),
        (
            &empty,
            &good.key,
            FileRole::Chain,
            "has no certificate in it",
        ),
        (
            &text,
            &good.key,
            FileRole::Chain,
            "has no certificate in it",
        ),
        (
            &good.key,
            &good.key,
            FileRole::Chain,
            "has no certificate in it",
        ),
        (&broken, &good.key, FileRole::Chain, "is not PEM"),
        (
            &wrong,
            &good.key,
            FileRole::Chain,
            "the certificate is malformed",
        ),
        (&good.chain, &missing, FileRole::Key, "cannot be read"),
        (
            &good.chain,
            &good.chain,
            FileRole::Key,
            "has no private key in it",
        ),
        (
            &good.chain,
            &encrypted,
            FileRole::Key,
            "its key is encrypted",
        ),
        (&good.chain, &other.key, FileRole::Key, "is not the key of"),
    ] {
        let error = Certificate::read(chain, key).unwrap_err();
        assert_eq!(error.role, role, "{error:?}");
        assert!(error.problem.starts_with(problem), "{error:?}");
        let file = if role == FileRole::Key { key } else { chain };
        assert_eq!(&error.path, file);
    }
}

#[test]
fn validity_is_read_and_complained_of() {
    let folder = Folder::new();
    let day = Duration::from_secs(24 * 3600);
    let read = self_signed_by(&folder, &["a.example"], &rcgen::PKCS_ED25519, |params| {
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 3, 1);
    })
    .read();
    // 2030-01-01 is day 21,915.
    let first = day * 21_915;
    assert_eq!(read.not_after(), first + day * 59);
    let complaint = |days: u32| read.complaint(first + day * days, day * 14);
    assert_eq!(complaint(1), None);
    assert_eq!(complaint(44), None);
    assert_eq!(complaint(50), Some("expires in 9 days".to_owned()));
    assert_eq!(complaint(62), Some("has expired 3 days ago".to_owned()));
    let before = read.complaint(first - day * 2, day * 14);
    assert_eq!(before, Some("is not valid for another 2 days".to_owned()));
}

/// Whether a client that trusts only `trusted` gets through to `name`.
fn is_shown(server: &Server, trusted: &super::SelfSigned, name: &str) -> bool {
    let config = Arc::new(client_config(&trusted.der, Version::Tls13));
    let (near, far) = pair();
    let mut client = Peer::new(near, client(&config, name));
    let mut server = Peer::new(far, server.accept().unwrap());
    shake_hands(&mut client, &mut server).is_ok()
}

#[test]
fn each_name_gets_its_certificate() {
    let folder = Folder::new();
    let first = self_signed(
        &folder,
        &["first.example", "other.example", "a.b.c.example"],
    );
    let exact = self_signed(&folder, &["www.example.com"]);
    let wildcard = self_signed(&folder, &["*.example.com"]);
    let all = || vec![first.read(), exact.read(), wildcard.read()];
    let lenient = server(all());
    assert!(is_shown(&lenient, &first, "first.example"));
    assert!(is_shown(&lenient, &exact, "www.example.com"));
    assert!(is_shown(&lenient, &wildcard, "any.example.com"));
    assert!(
        !is_shown(&lenient, &wildcard, "www.example.com"),
        "the exact name is shown"
    );
    assert!(
        !is_shown(&lenient, &wildcard, "two.labels.example.com"),
        "a wildcard is one label"
    );
    // An unknown name gets the first, which clients refuse; a strict listener refuses itself.
    let mut strict = spec(all());
    strict.is_strict = true;
    let strict = Server::new(strict, None).unwrap();
    assert!(is_shown(&strict, &exact, "www.example.com"));
    let hello = |server: &Server| {
        let config = Arc::new(client_config(&first.der, Version::Tls13));
        let (near, far) = pair();
        let mut client = Peer::new(near, client(&config, "unknown.test"));
        let mut server = Peer::new(far, server.accept().unwrap());
        let _ = client.handshake();
        server.handshake().is_ok()
    };
    assert!(hello(&lenient));
    assert!(!hello(&strict));
}

#[test]
fn ecdsa_is_shown_to_those_that_know_it_and_rsa_to_the_others() {
    use rustls::client::ClientConfig;
    let folder = Folder::new();
    let rsa = (
        folder.write("rsa.pem", RSA_CHAIN),
        folder.write("rsa.key", RSA_PKCS8),
    );
    let ecdsa = (
        folder.write("ec.pem", ECDSA_CHAIN),
        folder.write("ec.key", ECDSA_SEC1),
    );
    let read = |it: &(std::path::PathBuf, std::path::PathBuf)| Certificate::read(&it.0, &it.1);
    let server = server(vec![read(&rsa).unwrap(), read(&ecdsa).unwrap()]);
    for is_rsa in [true, false] {
        // The suites of TLS 1.2 name the kind of key.
        let mut provider = (*crate::tls::provider()).clone();
        provider.cipher_suites.retain(|suite| {
            let name = format!("{:?}", suite.suite());
            name.starts_with("TLS_ECDHE") && name.contains("_RSA_") == is_rsa
        });
        let mut roots = rustls::RootCertStore::empty();
        let shown = if is_rsa { &rsa.0 } else { &ecdsa.0 };
        let der = crate::tls::certificate::chain_of(shown).unwrap().remove(0);
        roots.add(der).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, far) = pair();
        let mut client = Peer::new(near, client(&Arc::new(config), "rsa.example"));
        let mut server = Peer::new(far, server.accept().unwrap());
        shake_hands(&mut client, &mut server).unwrap();
    }
}
