//! What must hold of the errors about any configuration.

use sixways::control::config::ConfigErrors;

/// Every error has a key path or a line, can be shown, and shows nothing that harms a terminal.
pub fn judge(errors: &ConfigErrors, text: &str) {
    assert!(!errors.errors().is_empty(), "refused without a reason: {text}");
    let lines = text.split('\n').count();
    for error in errors.errors() {
        assert!(!error.path.is_empty() || error.position.is_some(), "{error:?}");
        assert!(!error.problem.to_string().is_empty() && !error.problem.remedy().is_empty(), "{error:?}");
        if let Some((line, column)) = error.position {
            assert!((1..=lines).contains(&line) && column >= 1, "{error:?}");
        }
    }
    let shown = errors.to_string();
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
}
