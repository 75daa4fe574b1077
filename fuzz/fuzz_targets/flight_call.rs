//! Any bytes as descriptors, tickets, actions and uploads, as a service without models takes them.
#![no_main]

use std::sync::{Arc, LazyLock};

use arrow_flight::{Action, FlightDescriptor, Ticket, flight_service_server::FlightService};
use libfuzzer_sys::fuzz_target;
use mlflight::{
    flight::service::{Service, ServiceOptions, fuzz_upload},
    models::{Models, RightsOptions},
    ops::{Host, HostOptions},
};
use mlflight_fuzz::flight_data;
use tokio::runtime::Runtime;
use tonic::Request;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static KEPT: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a directory"));
static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let (upload, load_prefixes) = (Some(KEPT.path().into()), vec![KEPT.path().display().to_string()]);
    let rights = RightsOptions { upload, load_prefixes, ..RightsOptions::default() };
    let host = Host::new(Arc::new(Models::default()), HostOptions { rights, ..HostOptions::default() });
    Service::new(Arc::new(host), ServiceOptions::default())
});
const ACTIONS: [&str; 5] = ["describe", "load", "unload", "drain", "other"];

fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |input: (u8, Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>)| {
    let (which, bytes, parts) = input;
    RUNTIME.block_on(async {
        let descriptor = FlightDescriptor::new_cmd(bytes.clone());
        let _ = SERVICE.get_flight_info(Request::new(descriptor.clone())).await;
        let _ = SERVICE.get_schema(Request::new(descriptor)).await;
        let _ = SERVICE.do_get(Request::new(Ticket::new(bytes.clone()))).await;
        let action = Action::new(ACTIONS[usize::from(which) % ACTIONS.len()], bytes.clone());
        let _ = SERVICE.do_action(Request::new(action)).await;
    });
    let messages = parts.into_iter().map(|(header, body)| flight_data(header, body)).collect();
    fuzz_upload(&SERVICE, bytes, messages);
    assert!(std::fs::read_dir(KEPT.path()).expect("it is there").next().is_none(), "a refused upload leaves nothing");
});
