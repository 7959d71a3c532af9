//! Basic authentication (RFC 7617) by a file of users with bcrypt hashes.
//!
//! A hash is slow to verify by design: a tenth of a second and more. So that is never done where
//! requests are read: what is not known yet is handed out as [`Credentials`], for another thread to
//! verify, and the request waits. The verdict is kept for a while, by a keyed hash of the
//! credentials and not by themselves, in a table of bounded size.

use crate::address::client_network;
use crate::route::Request;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Time for which credentials that were right are not verified again.
const GRANTED_TIME: Duration = Duration::from_secs(300);
/// Time for which those that were wrong are not.
const REFUSED_TIME: Duration = Duration::from_secs(10);
/// Verdicts that are kept at once.
const MAX_VERDICTS: usize = 4_096;

/// The users of a route, and what is known of credentials.
pub struct BasicAuth {
    realm: Box<str>,
    /// The hash of each user's password.
    users: HashMap<Box<str>, Box<str>>,
    verdicts: Arc<Verdicts>,
}

/// What is known of credentials.
struct Verdicts {
    /// Two, for 128 bits: so many that no two credentials are taken for each other.
    hashes: [RandomState; 2],
    /// By the hashes: whether they were right, and until when that is known.
    known: Mutex<HashMap<[u64; 2], (bool, Timestamp)>>,
}

/// Whether a request may go on.
#[derive(Debug)]
pub enum Authentication {
    /// It has credentials that are right.
    Granted,
    /// It has none, or wrong ones.
    Refused,
    /// It has some that have to be verified first.
    Unknown(Credentials),
}

/// Credentials to verify.
pub struct Credentials {
    key: [u64; 2],
    /// The client that came with them first.
    client: u64,
    password: Vec<u8>,
    /// The hash to verify it by.
    hash: Box<str>,
    /// False if there is no such user: it takes as long to find out.
    is_known: bool,
    verdicts: Arc<Verdicts>,
}

impl BasicAuth {
    /// The users in the text of a file: a line for each, with the name, a colon and the hash, as
    /// `htpasswd -B` writes it.
    ///
    /// # Errors
    /// The number of the first line that is wrong, and what is wrong with it.
    pub fn parse(realm: &str, text: &str) -> Result<Self, (usize, &'static str)> {
        let mut users = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash) = line.split_once(':').ok_or((number, "not USER:HASH"))?;
            if name.is_empty() {
                return Err((number, "no name"));
            }
            if hash.parse::<bcrypt::HashParts>().is_err() {
                return Err((number, "not a bcrypt hash"));
            }
            if users.insert(name.into(), hash.into()).is_some() {
                return Err((number, "a name given twice"));
            }
        }
        match users.is_empty() {
            true => Err((1, "no user")),
            false => Ok(Self {
                realm: realm.into(),
                users,
                verdicts: Arc::new(Verdicts {
                    hashes: [RandomState::new(), RandomState::new()],
                    known: Mutex::default(),
                }),
            }),
        }
    }

    /// Judges the credentials of a request.
    pub fn check(&self, request: &impl Request, now: Timestamp) -> Authentication {
        let credentials = request.field(b"authorization").and_then(basic);
        let Some((user, password)) = credentials else {
            return Authentication::Refused;
        };
        let key = self.verdicts.key(&user, &password);
        match self.verdicts.find(key, now) {
            Some(true) => return Authentication::Granted,
            Some(false) => return Authentication::Refused,
            None => {}
        }
        let own = self.users.get(user.as_str());
        let Some(hash) = own.or_else(|| self.users.values().next()) else {
            return Authentication::Refused;
        };
        Authentication::Unknown(Credentials {
            key,
            client: request.client().map_or(0, client_network),
            password,
            hash: hash.clone(),
            is_known: own.is_some(),
            verdicts: Arc::clone(&self.verdicts),
        })
    }

    /// The field line that asks for credentials.
    #[must_use]
    pub fn challenge(&self) -> String {
        let realm = &self.realm;
        format!("WWW-Authenticate: Basic realm=\"{realm}\", charset=\"UTF-8\"\r\n")
    }
}

impl Credentials {
    /// The same for the same credentials alone.
    pub(super) const fn key(&self) -> [u64; 2] {
        self.key
    }

    /// The network of the client that came with them first.
    pub(super) const fn client(&self) -> u64 {
        self.client
    }

    /// Verifies them, which takes long, and keeps the verdict. Nothing is to be done if there is one
    /// since they were handed out.
    pub fn verify(self, now: Timestamp) {
        if self.verdicts.find(self.key, now).is_some() {
            return;
        }
        let is_right = bcrypt::verify(&self.password, &self.hash).unwrap_or(false) && self.is_known;
        self.verdicts.keep(self.key, is_right, now);
    }
}

impl Verdicts {
    fn key(&self, user: &str, password: &[u8]) -> [u64; 2] {
        self.hashes
            .each_ref()
            .map(|hash| hash.hash_one((user, password)))
    }

    fn find(&self, key: [u64; 2], now: Timestamp) -> Option<bool> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_right, until) = known.get(&key)?;
        (now < *until).then_some(*is_right)
    }

    fn keep(&self, key: [u64; 2], is_right: bool, now: Timestamp) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_VERDICTS {
            known.retain(|_, (_, until)| now < *until);
        }
        if known.len() >= MAX_VERDICTS {
            // The one that is known for the shortest time from now on.
            let next = known.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(next) = next.map(|(key, _)| *key) {
                known.remove(&next);
            }
        }
        let time = if is_right { GRANTED_TIME } else { REFUSED_TIME };
        known.insert(key, (is_right, now + time));
    }
}

/// The user and the password of a field with the scheme `Basic`.
fn basic(value: &[u8]) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = value.split_at_checked(b"Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let decoded = base64(encoded.trim_ascii())?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (user, password) = decoded.split_at(colon);
    let user = String::from_utf8(user.to_vec()).ok()?;
    Some((user, password.get(1..)?.to_vec()))
}

/// Decodes base64 (RFC 4648, section 4), with padding or without.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    (count < 6).then_some(out)
}

/// Users are alike by their file, not by what is known of their credentials.
impl PartialEq for BasicAuth {
    fn eq(&self, other: &Self) -> bool {
        self.realm == other.realm && self.users == other.users
    }
}

impl Eq for BasicAuth {}

/// Without hashes: they are secrets.
impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (realm, users) = (&self.realm, self.users.len());
        write!(f, "BasicAuth({realm:?}, {users} users)")
    }
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::route::tests::Asked;

    /// Credentials of a client, told from its others by `number`.
    pub(in crate::route::policy) fn credentials_of(client: u64, number: u64) -> Credentials {
        Credentials {
            key: [client, number],
            client,
            password: Vec::new(),
            hash: "".into(),
            is_known: false,
            verdicts: users().verdicts,
        }
    }

    fn asked(authorization: &'static str) -> Asked {
        Asked {
            fields: vec![("authorization", authorization)],
            ..Asked::default()
        }
    }

    fn users() -> BasicAuth {
        // The least cost there is.
        let hash = bcrypt::hash("sesame", 4).unwrap();
        let text = format!("# of the office\n\nada:{hash}\n");
        BasicAuth::parse("office", &text).unwrap()
    }

    fn after(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    /// ada:sesame
    const RIGHT: &str = "Basic YWRhOnNlc2FtZQ==";
    /// ada:wrong
    const WRONG: &str = "basic YWRhOndyb25n";
    /// bob:sesame
    const STRANGER: &str = "Basic Ym9iOnNlc2FtZQ==";

    #[test]
    fn credentials_are_verified_once_and_known_for_a_while() {
        let auth = users();
        for (field, is_right, known_secs) in [
            (RIGHT, true, 300),
            (WRONG, false, 10),
            (STRANGER, false, 10),
        ] {
            let request = asked(field);
            let Authentication::Unknown(credentials) = auth.check(&request, after(1)) else {
                panic!("{field} is known already");
            };
            credentials.verify(after(1));
            for seconds in [1, known_secs] {
                match auth.check(&request, after(seconds)) {
                    Authentication::Granted => assert!(is_right, "{field}"),
                    Authentication::Refused => assert!(!is_right, "{field}"),
                    Authentication::Unknown(_) => panic!("{field} was forgotten"),
                }
            }
            let forgotten = auth.check(&request, after(known_secs + 1));
            assert!(matches!(forgotten, Authentication::Unknown(_)), "{field}");
        }
    }

    #[test]
    fn what_are_no_credentials_are_refused_at_once() {
        let auth = users();
        for field in [
            "",
            "Bearer x",
            "Basic",
            "Basic *",
            "Basic YWRh",
            "Basic YQ===",
        ] {
            let verdict = auth.check(&asked(field), after(1));
            assert!(matches!(verdict, Authentication::Refused), "{field}");
        }
        let verdict = auth.check(&Asked::default(), after(1));
        assert!(matches!(verdict, Authentication::Refused));
        let shown = format!("{auth:?}");
        assert_eq!(shown, "BasicAuth(\"office\", 1 users)");
    }

    #[test]
    fn verdicts_are_bounded() {
        let verdicts = &users().verdicts;
        for number in 0..MAX_VERDICTS as u64 + 100 {
            verdicts.keep([number, 0], number == 0, after(1));
        }
        assert_eq!(verdicts.known.lock().unwrap().len(), MAX_VERDICTS);
        assert_eq!(
            verdicts.find([0, 0], after(2)),
            Some(true),
            "known for longest"
        );
    }

    #[test]
    fn a_wrong_file_is_told_with_its_line() {
        let hash = bcrypt::hash("x", 4).unwrap();
        for (text, expected) in [
            ("ada".to_owned(), (1, "not USER:HASH")),
            ("\nada:plain".to_owned(), (2, "not a bcrypt hash")),
            (format!(":{hash}"), (1, "no name")),
            (format!("a:{hash}\na:{hash}"), (2, "a name given twice")),
            ("# none\n".to_owned(), (1, "no user")),
        ] {
            assert_eq!(BasicAuth::parse("x", &text).unwrap_err(), expected);
        }
    }
}
