//! One backend as the user writes it: `HOST:PORT`, `HOST:PORT=WEIGHT` or `HOST:PORT=WEIGHT/MAX`,
//! with `unix:PATH` in place of `HOST:PORT` or not.
//!
//! Owns the syntax of a weight, of a limit and of all together. A [`Weight`] that exists is in
//! range.

use super::{BackendAddress, ConfigError};
use crate::address::AddressError;
use crate::syntax::digits;
use std::fmt::{self, Display, Formatter};
use std::num::NonZeroU32;
use std::str::FromStr;

/// One backend: where it is and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSpec {
    /// Its address.
    pub address: BackendAddress,
    /// Its share relative to the others.
    pub weight: Weight,
    /// Exchanges it is given at once; `None` for as many as
    /// [all backends](super::Limits::backend_max_connections) are.
    pub max_connections: Option<NonZeroU32>,
}

impl BackendSpec {
    /// Returns whether its address is a name that is looked up.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        match &self.address {
            BackendAddress::Tcp(at) => at.socket_addr().is_none(),
            BackendAddress::Unix(_) => false,
        }
    }
}

impl FromStr for BackendSpec {
    type Err = ConfigError;

    /// Reads `HOST:PORT`, `PORT` or `unix:PATH`, with `=WEIGHT` or `=WEIGHT/MAX` behind it or not.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (address, share) = match text.split_once('=') {
            Some((address, share)) => (address, Some(share)),
            None => (text, None),
        };
        let (weight, most) = match share.and_then(|share| share.split_once('/')) {
            Some((weight, most)) => (Some(weight), Some(most)),
            None => (share, None),
        };
        let whole = |invalid: ConfigError| invalid.with_value(text);
        Ok(Self {
            address: address
                .parse()
                .map_err(|error: AddressError| whole(error.into()))?,
            weight: weight
                .map_or_else(|| Ok(Weight::default()), str::parse)
                .map_err(whole)?,
            max_connections: most.map(limit).transpose().map_err(whole)?,
        })
    }
}

impl Display for BackendSpec {
    /// As it can be read again; a weight of 1 goes without saying.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        match (self.weight.get(), self.max_connections) {
            (1, None) => Ok(()),
            (weight, None) => write!(f, "={weight}"),
            (weight, Some(most)) => write!(f, "={weight}/{most}"),
        }
    }
}

/// A backend's share relative to the others: 1 to 256, 1 where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

impl Weight {
    /// The greatest weight.
    pub const MAX: u16 = 256;

    /// A weight.
    ///
    /// # Errors
    ///
    /// 0 or more than 256.
    pub fn new(weight: u16) -> Result<Self, ConfigError> {
        match weight {
            1..=Self::MAX => Ok(Self(weight)),
            _ => Err(out_of_range().with_value(weight)),
        }
    }

    /// The number, 1 to 256.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1)
    }
}

impl FromStr for Weight {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        digits(text)
            .and_then(|weight| Self::new(weight).ok())
            .ok_or_else(|| out_of_range().with_value(text))
    }
}

fn limit(text: &str) -> Result<NonZeroU32, ConfigError> {
    digits(text).ok_or_else(|| {
        let remedy = "give a whole number from 1 up, or leave /MAX out for no limit";
        ConfigError::new("not a limit", remedy)
    })
}

fn out_of_range() -> ConfigError {
    ConfigError::new(
        "not a weight",
        "give a whole number from 1 to 256, or leave =WEIGHT out for 1",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<BackendSpec>().unwrap_err().to_string()
    }

    #[test]
    fn a_unix_socket_is_a_backend_too() {
        for text in ["unix:/run/app.sock", "unix:/run/app.sock=2/7"] {
            assert_eq!(text.parse::<BackendSpec>().unwrap().to_string(), text);
        }
        assert_eq!(
            refusal("unix:=2"),
            "'unix:=2': not a path; write unix:PATH, as in unix:/run/app.sock"
        );
    }

    #[test]
    fn weight_is_1_to_256() {
        assert_eq!(Weight::default().get(), 1);
        for weight in [1, 2, 256] {
            assert_eq!(Weight::new(weight).unwrap().get(), weight);
        }
        for weight in [0, 257, u16::MAX] {
            let expected = format!(
                "'{weight}': not a weight; \
                 give a whole number from 1 to 256, or leave =WEIGHT out for 1"
            );
            assert_eq!(Weight::new(weight).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn reads_address_and_weight() {
        let spec: BackendSpec = "example.com:80=3".parse().unwrap();
        assert_eq!(spec.address, "example.com:80".parse().unwrap());
        assert_eq!(spec.weight, Weight::new(3).unwrap());
        let bare: BackendSpec = "5000=256".parse().unwrap();
        assert_eq!(bare.to_string(), "127.0.0.1:5000=256");
        let plain: BackendSpec = "[::1]:5000".parse().unwrap();
        assert_eq!(plain.weight, Weight::default());
    }

    #[test]
    fn is_shown_as_it_is_read() {
        for text in [
            "127.0.0.1:5000",
            "[::1]:5000=2",
            "db-1.internal:1=256",
            "a:1=1/8",
        ] {
            assert_eq!(text.parse::<BackendSpec>().unwrap().to_string(), text);
        }
        let one: BackendSpec = "a:1=1".parse().unwrap();
        assert_eq!(one.to_string(), "a:1");
    }

    #[test]
    fn a_limit_is_read_behind_the_weight() {
        let spec: BackendSpec = "5000=2/16".parse().unwrap();
        assert_eq!(spec.weight.get(), 2);
        assert_eq!(spec.max_connections, NonZeroU32::new(16));
        for bad in ["5000=2/0", "5000=2/", "5000=2/x"] {
            let expected = format!(
                "'{bad}': not a limit; \
                 give a whole number from 1 up, or leave /MAX out for no limit"
            );
            assert_eq!(refusal(bad), expected);
        }
    }

    #[test]
    fn an_error_quotes_address_and_weight() {
        for weight in ["", "0", "257", "-1", "+1", "1.5", "99999", "1=1", "many"] {
            let expected = format!(
                "'127.0.0.1:5000={weight}': not a weight; \
                 give a whole number from 1 to 256, or leave =WEIGHT out for 1"
            );
            assert_eq!(refusal(&format!("127.0.0.1:5000={weight}")), expected);
        }
        assert_eq!(
            refusal("127.0.0.1=3"),
            "'127.0.0.1=3': the port is missing; write HOST:PORT, as in 127.0.0.1:5000"
        );
    }
}
