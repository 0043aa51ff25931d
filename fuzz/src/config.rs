//! The configuration file.

use sixways::control::config::parse;
use sixways::npt;

use crate::config_judge::judge;

/// One input: a file.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match parse(text) {
        Err(errors) => judge(&errors, text),
        Ok(config) => {
            assert_eq!(parse(text).as_ref(), Ok(&config), "read twice, and not the same");
            assert!(!config.site.internal.is_empty() && !config.lans.is_empty() && !config.isps.is_empty());
            for pair in config.isps.iter().flat_map(|isp| &isp.mappings) {
                let mapping = npt::Mapping::new(pair.internal(), pair.external()).expect("a pair that was accepted");
                assert!(config.site.internal.iter().any(|prefix| prefix.contains(mapping.internal().address())));
            }
        }
    }
}
