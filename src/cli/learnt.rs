//! Prefixes that are learnt, for verbs that ask no gateway: as told, else as this machine shows them now, else
//! as a gateway here knew them last.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

use crate::control::config::{Config, Isp, PrefixOrigin, PrefixSource};
use crate::control::kernel::KernelState;
use crate::control::netlink::Netlink;
use crate::control::prefixes::{Moment, Prefixes, Sight};
use crate::control::state::{DEFAULT_STATE_DIR, read_prefixes};
use crate::npt::Prefix;

/// Arguments of every verb that works by a configuration alone.
#[derive(Debug, Default, clap::Args)]
pub struct Learnt {
    /// What an ISP's source would show, where its prefix is learnt; without it, what it shows on this machine
    #[arg(long = "prefix", value_name = "ISP=PREFIX", value_parser = told)]
    told: Vec<(String, Prefix)>,
    /// State directory with what the gateway knew last, for sources that show nothing here; /var/lib/sixways
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

fn told(text: &str) -> Result<(String, Prefix), String> {
    let (isp, prefix) = text.split_once('=').ok_or("write ISP=PREFIX, as in cable=2001:db8:b::/56")?;
    Ok((isp.to_owned(), prefix.parse().map_err(|error: crate::npt::PrefixError| error.to_string())?))
}

/// By what a prefix is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// `--prefix`.
    Told,
    /// Its source shows it on this machine.
    Source,
    /// A gateway on this machine knew it last.
    LastRun,
}

/// What is known of the prefix of one ISP.
#[derive(Clone, Debug)]
pub struct Known {
    /// Whose.
    pub isp: String,
    /// Where it is learnt.
    pub source: PrefixSource,
    /// The ISP's part of what is known, and by what.
    pub prefix: Option<(Prefix, Basis)>,
    /// Why it is not what the source shows on this machine.
    pub trouble: Option<String>,
}

impl Learnt {
    /// Where the state is.
    pub fn state(&self) -> &Path {
        self.state.as_deref().unwrap_or(Path::new(DEFAULT_STATE_DIR))
    }

    /// Complains where there is no use for the arguments.
    pub fn unused(&self, why: &str) -> anyhow::Result<()> {
        self.unused_prefix(why)?;
        if self.state.is_some() {
            bail!("--state is of no use {why}");
        }
        Ok(())
    }

    /// Complains where there is no use for `--prefix`.
    pub fn unused_prefix(&self, why: &str) -> anyhow::Result<()> {
        if !self.told.is_empty() {
            bail!("--prefix is of no use {why}");
        }
        Ok(())
    }

    /// `configs` with the prefixes that are known, after saying on standard error which those are.
    pub fn learn<const N: usize>(&self, configs: [&Config; N]) -> anyhow::Result<[Config; N]> {
        self.fits(&configs)?;
        let mut said = Vec::new();
        let mut learnt = Vec::new();
        for config in configs {
            let (config, known) = self.look(config)?;
            learnt.push(config);
            for known in known {
                let text = format!("prefix of {}: {}", known.isp, known.in_words());
                if !said.contains(&text) {
                    super::complain(&text);
                    said.push(text);
                }
            }
        }
        learnt.try_into().map_err(|_| anyhow!("a configuration is missing; please report this as a bug"))
    }

    /// Whether there is a use in `configs` for everything that was told.
    pub fn fits(&self, configs: &[&Config]) -> anyhow::Result<()> {
        let learning = || configs.iter().flat_map(|config| &config.isps).filter(|isp| isp.source.is_some());
        for (isp, _) in &self.told {
            if !learning().any(|known| known.name == *isp) {
                let known: BTreeSet<&str> = learning().map(|isp| isp.name.as_str()).collect();
                let known = Vec::from_iter(known).join(", ");
                let known = if known.is_empty() { "none" } else { &known };
                bail!("--prefix {isp}=…: there is no ISP `{isp}` whose prefix is learnt; there are: {known}");
            }
        }
        Ok(())
    }

    /// `config` with the prefixes that are known, and what is known of each.
    pub fn look(&self, config: &Config) -> anyhow::Result<(Config, Vec<Known>)> {
        let learning = || config.isps.iter().filter_map(|isp| Some((isp, isp.source.as_ref()?)));
        let mut prefixes = Prefixes::default();
        let mut known: Vec<Known> = learning().map(|(isp, source)| Known::nothing(isp, source)).collect();
        let mut wanting = Vec::new();
        for ((isp, _), known) in learning().zip(&mut known) {
            match self.told.iter().rev().find(|(name, _)| *name == isp.name) {
                Some((_, prefix)) => {
                    known.take(&mut prefixes, config, isp, Sight::Prefix(*prefix), Basis::Told);
                    if let Some(reason) = &known.trouble {
                        bail!("--prefix {}={prefix}: {reason}", isp.name);
                    }
                }
                None => wanting.push((isp, known)),
            }
        }
        let kernel = kernel(wanting.iter().map(|(isp, _)| *isp));
        for (isp, known) in &mut wanting {
            if let Some(sight) = prefixes.sight(config, isp, &kernel) {
                known.take(&mut prefixes, config, isp, sight, Basis::Source);
            }
        }
        wanting.retain(|(_, known)| known.prefix.is_none());
        if !wanting.is_empty() {
            let kept = read_prefixes(self.state());
            for (isp, known) in wanting {
                match kept.as_ref().map(|kept| kept.delegated(&isp.name)) {
                    Ok(Some(prefix)) => {
                        known.take(&mut prefixes, config, isp, Sight::Prefix(prefix), Basis::LastRun);
                    }
                    Ok(None) => known.add_trouble(&format!("{} has none either", self.state().display())),
                    Err(error) => known.add_trouble(&error.to_string()),
                }
            }
        }
        Ok((prefixes.apply(config), known))
    }
}

/// The kernel as `isps` need it. Where it does not answer, it shows nothing.
fn kernel<'a>(mut isps: impl Iterator<Item = &'a Isp>) -> KernelState {
    let asks =
        |isp: &Isp| isp.source.as_ref().is_some_and(|source| matches!(source.origin, PrefixOrigin::Interface(_)));
    if !isps.any(asks) {
        return KernelState::default();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let dump = runtime.ok().and_then(|runtime| runtime.block_on(async { Netlink::open().ok()?.dump().await.ok() }));
    dump.unwrap_or_default()
}

impl Known {
    fn nothing(isp: &Isp, source: &PrefixSource) -> Self {
        Self { isp: isp.name.clone(), source: source.clone(), prefix: None, trouble: None }
    }

    /// Takes `sight` for what the source shows.
    fn take(&mut self, prefixes: &mut Prefixes, config: &Config, isp: &Isp, sight: Sight, basis: Basis) {
        let now = Moment::now();
        prefixes.see(config, isp, sight, now);
        let Some(report) = prefixes.report(config, now).into_iter().find(|report| report.isp == isp.name) else {
            return;
        };
        self.prefix = report.current.map(|current| (current.prefix, basis));
        report.trouble.iter().for_each(|trouble| self.add_trouble(trouble));
    }

    fn add_trouble(&mut self, more: &str) {
        self.trouble =
            Some(self.trouble.as_ref().map_or_else(|| more.to_owned(), |trouble| format!("{trouble}; {more}")));
    }

    /// What is known.
    pub fn in_words(&self) -> String {
        let origin = &self.source.origin;
        let trouble = self.trouble.as_deref().unwrap_or_default();
        match self.prefix {
            Some((prefix, Basis::Told)) => format!("{prefix}, as told"),
            Some((prefix, Basis::Source)) => format!("{prefix} now, by {origin}"),
            Some((prefix, Basis::LastRun)) => format!("{prefix}, as the gateway knew it last; {trouble}"),
            None => format!("not known: {trouble}; `--prefix {}=PREFIX` tells it", self.isp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse;
    use std::fs;

    const LAST: &str = r#"{"version":1,"content":{"isps":{"cable":{"current":{"delegated":"2001:db8:c::/48",
        "external":"2001:db8:c::/48","since":"2026-11-24T19:40:00.000Z"},"former":[]}}}}"#;

    /// cable learns by a file in `dir`, wave by a device that is on no machine.
    fn config(dir: &Path) -> Config {
        let text = include_str!("../../configs/minimal.toml").replace(
            "\"2001:db8:2::/48\"",
            &format!("{{ file = \"{}\", length = 56, subnet_id = 2 }}", dir.join("cable").display()),
        );
        let wave = "[[isp]]\nname = \"wave\"\ninterface = \"wan2\"\nprefix = { interface = \"no-such-device\" }\n";
        parse(&(text + wave)).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn learnt(dir: &Path, told: &[&str]) -> Learnt {
        let told = told.iter().map(|text| super::told(text).unwrap()).collect();
        Learnt { told, state: Some(dir.join("state")) }
    }

    /// What is known of cable and of wave, in words.
    #[track_caller]
    fn known(dir: &Path, told: &[&str]) -> [String; 2] {
        let (config, known) = learnt(dir, told).look(&config(dir)).unwrap();
        for (isp, known) in config.isps[1..].iter().zip(&known) {
            let used = isp.mappings.first().map(|mapping| mapping.external());
            assert_eq!(used, known.prefix.map(|(prefix, _)| prefix), "{}", isp.name);
        }
        known.iter().map(Known::in_words).collect::<Vec<_>>().try_into().unwrap()
    }

    #[test]
    fn what_is_told_goes_first_then_the_source_then_the_last_run() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let [cable, wave] = known(dir, &[]);
        assert!(cable.starts_with("not known: ") && cable.contains("/cable: it is missing; "), "{cable}");
        assert!(cable.contains("/state has none either; `--prefix cable=PREFIX` tells it"), "{cable}");
        assert!(wave.contains("not known: interface no-such-device: there is none of this name; "), "{wave}");
        fs::create_dir(dir.join("state")).unwrap();
        fs::write(dir.join("state/prefixes.json"), LAST).unwrap();
        let [cable, _] = known(dir, &[]);
        assert!(cable.starts_with("2001:db8:c:200::/56, as the gateway knew it last; "), "{cable}");
        fs::write(dir.join("cable"), "nonsense\n").unwrap();
        let [cable, _] = known(dir, &[]);
        assert!(
            cable.starts_with("2001:db8:c:200::/56, as") && cable.contains("/cable: line 1: `nonsense`"),
            "{cable}"
        );
        fs::write(dir.join("cable"), "2001:db8:a::/48\n").unwrap();
        let [cable, _] = known(dir, &[]);
        assert!(cable.starts_with("2001:db8:a:200::/56 now, by /") && cable.ends_with("/cable"), "{cable}");
        let told = known(dir, &["cable=2001:db8:b::/48", "wave=2001:db8:7::/48"]);
        assert_eq!(told, ["2001:db8:b:200::/56, as told", "2001:db8:7::/48, as told"]);
        fs::write(dir.join("state/prefixes.json"), "{").unwrap();
        let [_, wave] = known(dir, &[]);
        assert!(wave.contains("prefixes.json is damaged"), "{wave}");
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let refused = |told: &str| learnt(dir.path(), &[told]).look(&config).unwrap_err().to_string();
        assert!(refused("cable=2001:db8:b::/60").contains("too small for `length` = 56"));
        assert!(refused("wave=2001:db8:1:8::/64").contains("overlaps 2001:db8:1::/48 of ISP \"fiber\""));
        let unfit = |told: &str| learnt(dir.path(), &[told]).fits(&[&config]).unwrap_err().to_string();
        let expected = "--prefix fiber=…: there is no ISP `fiber` whose prefix is learnt; there are: cable, wave";
        assert_eq!(unfit("fiber=2001:db8:b::/48"), expected);
        assert!(told("2001:db8:b::/48").unwrap_err().contains("write ISP=PREFIX"));
        assert!(told("cable=2001:db8::1/48").unwrap_err().contains("did you mean"));
    }
}
