//! The macro that declares a group of settings.
//!
//! From one list it makes the struct with its documentation and its defaults, the check of every
//! range, and the entries of the [table](super::settings).

/// Declares a group of settings, held by a field of the [draft](crate::config::draft::Draft):
///
/// ```text
/// settings! {
///     /// Limits on what clients and backends can take.
///     pub struct Limits in draft.limits, section SECTION;
///
///     /// Client connections open at once
///     ///
///     /// More wait in the kernel's queue until one is closed.
///     "max-connections" <"N"> max_connections: usize = 8_000, check within(1..=1_000_000);
/// }
/// ```
///
/// After the default may follow `, read FUNCTION` for a notation of its own, `, check FUNCTION` for
/// a range, and `, with { KEY: VALUE }` for other fields of [`Setting`](super::Setting).
macro_rules! settings {
    (
        $(#[$attribute:meta])*
        $visible:vis struct $group:ident in draft.$slot:ident, section $section:ident;
        $(
            $(#[doc = $doc:literal])*
            $name:literal <$placeholder:literal> $field:ident: $type:ty = $default:expr
            $(, read $read:expr)? $(, check $check:expr)? $(, with { $($key:ident: $entry:expr),* })?;
        )*
    ) => {
        $(#[$attribute])*
        $visible struct $group {
            $(
                $(#[doc = $doc])*
                #[doc = concat!("\n\n`--", $name, "`. Default: `", stringify!($default), "`.")]
                $visible $field: $type,
            )*
        }

        impl Default for $group {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }

        impl $group {
            /// The entries of the table of settings.
            pub(in crate::config) const SETTINGS: &'static [$crate::config::Setting] = &[$(
                $crate::config::Setting {
                    $($($key: $entry,)*)?
                    ..$crate::config::Setting {
                        name: $name,
                        placeholder: $placeholder,
                        section: &$section,
                        is_list: <$type as $crate::config::settings::Value>::IS_LIST,
                        http_only: false,
                        implies: &[],
                        requires: None,
                        doc: || $crate::config::settings::unwrapped(concat!($($doc, "\n"),*)).into(),
                        default: || {
                            let default: $type = $default;
                            $crate::config::settings::Value::shown(&default)
                        },
                        set: |draft, text| {
                            let slot: &mut $type = &mut draft.$slot.$field;
                            settings!(@read slot, text $(, $read)?);
                            $(
                                $check(concat!("--", $name), slot)
                                    .map_err(|error| error.with_value(text))?;
                            )?
                            Ok(())
                        },
                    }
                }
            ),*];

            /// These settings, if each is within its range.
            #[allow(dead_code, reason = "not every group is set through the library")]
            pub(in crate::config) fn checked(self) -> Result<Self, $crate::config::ConfigError> {
                $($( $check(concat!("--", $name), &self.$field)?; )?)*
                Ok(self)
            }
        }
    };
    (@read $slot:ident, $text:ident) => {
        $crate::config::settings::Value::set($slot, $text)?
    };
    (@read $slot:ident, $text:ident, $read:expr) => {
        *$slot = $read($text)?
    };
}
