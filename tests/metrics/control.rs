//! A gateway's control socket, without the gateway.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use sixways::control::socket::{ControlSocket, Verbs};
use sixways::flow::{FlowStore, HeapFlows};
use sixways::observe::flows::View;
use sixways::observe::status::Status;
use sixways::os;

use crate::Gateway;

/// A gateway's control thread, until it is dropped.
pub struct Control {
    pub path: PathBuf,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl Control {
    pub fn of(gateway: &Gateway) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let observed = Arc::clone(&gateway.observed);
        let flows: Arc<dyn FlowStore> = Arc::<HeapFlows>::clone(&gateway.flows);
        let view = View::new(Arc::clone(&gateway.snapshot), flows);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let at = path.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let socket = ControlSocket::bind(&at).unwrap();
                ready.send(()).unwrap();
                let status = move || Ok(serde_json::to_value(Status::of(&observed, os::now())).unwrap());
                let flows = move |query| {
                    let listing = view.list(&query, os::now()).map_err(|error| error.to_string())?;
                    Ok(serde_json::to_value(listing).unwrap())
                };
                let verbs = Verbs::default().on("status", status).on_thread("flows", flows);
                tokio::select! { () = socket.serve(verbs) => {} _ = stopped => {} }
            });
        });
        is_ready.recv().unwrap();
        Self { path, stop: Some(stop), thread: Some(thread), _directory: directory }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}
