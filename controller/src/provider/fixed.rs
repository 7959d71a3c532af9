//! Servers that exist already: registered and watched, never launched.

use super::{Call, Provider};
use crate::fleet::commit::{LaunchResult, ProviderError};
use crate::fleet::id::{Handle, TemplateId, Token};
use crate::fleet::input::{Listing, Unit};
use crate::spec::Request;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// Remembers which addresses are registered under which token.
#[derive(Debug, Default)]
pub(crate) struct Fixed {
    members: RefCell<BTreeMap<Token, Unit>>,
}

impl Fixed {
    /// With what was registered before a restart.
    pub(crate) fn new(members: impl IntoIterator<Item = (Token, Request)>) -> Self {
        let fixed = Self::default();
        for (token, request) in members {
            fixed.register(&token, &request);
        }
        fixed
    }

    fn register(&self, token: &Token, request: &Request) -> LaunchResult {
        let Request::Fixed { address } = request else {
            let text = "provider fixed launches nothing".to_owned();
            return LaunchResult::Failed(ProviderError::Invalid(text));
        };
        let handle = Handle::new(address.to_string());
        let unit = Unit {
            token: token.clone(),
            handle: handle.clone(),
            address: Some(*address),
            template: None,
            alive: Ok(()),
            has_agent: false,
            wrong: None,
        };
        self.members.borrow_mut().insert(token.clone(), unit);
        LaunchResult::Launched {
            handle,
            address: Some(*address),
        }
    }
}

impl Provider for Fixed {
    fn launch<'a>(
        &'a self,
        token: &'a Token,
        _template: &'a TemplateId,
        request: &'a Request,
    ) -> Call<'a, LaunchResult> {
        Box::pin(async move { self.register(token, request) })
    }

    fn list(&self) -> Call<'_, Result<Listing, String>> {
        let items = self.members.borrow().values().cloned().collect();
        Box::pin(async move {
            Ok(Listing {
                items,
                complete: true,
                proof: 1,
            })
        })
    }

    fn stop<'a>(
        &'a self,
        token: &'a Token,
        _handle: Option<&'a Handle>,
        _grace: Duration,
    ) -> Call<'a, Result<bool, ProviderError>> {
        Box::pin(async move {
            self.members.borrow_mut().remove(token);
            Ok(true)
        })
    }

    fn adopt<'a>(&'a self, _token: &'a Token) -> Call<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
}
