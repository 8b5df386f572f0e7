//! From a document to an API: every operation judged alone.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::header::HeaderMap;
use serde_json::Value;
use toolexec_core::{BackendKind, BackendRef, Error, ErrorKind, Result, ToolId};
use url::{Origin, Url};

use super::auth::Auth;
use super::build::{self, Builder, Place};
use super::config::{ApiConfig, OperationFilter};
use super::document::Document;
use super::http::Http;
use super::model::Operation;
use super::naming::{self, Names};
use super::schema::Schemas;
use super::{OfferedTool, OpenApi, origin, request, server};

/// The operations found so far.
struct Found<'d> {
    config: &'d ApiConfig,
    base: Url,
    namespace: &'d str,
    builder: Builder<'d>,
    names: Names,
    tools: Vec<OfferedTool>,
    operations: HashMap<Arc<str>, Operation>,
    notices: Vec<String>,
    filters: Filters<'d>,
}

/// Counts what the configured filters do.
struct Filters<'d> {
    include: &'d [OperationFilter],
    exclude: &'d [OperationFilter],
    /// How often each fitted: those of `include`, then those of `exclude`.
    hits: Vec<usize>,
    left_out: usize,
}

pub(super) fn load(name: &str, config: &ApiConfig, document: Value) -> Result<OpenApi> {
    let api: Arc<str> = name.into();
    let namespace = config.namespace.as_deref().unwrap_or(name);
    ToolId::new(namespace, "x").map_err(|error| {
        Error::new(
            ErrorKind::Config,
            format!("API {name:?} cannot have the namespace {namespace:?}"),
        )
        .with_source(error)
        .with_hint("set namespace to letters, digits, \"_\", \".\" and \"-\"")
    })?;
    let document = Document::new(document)?;
    let root = document.root();
    let base = server::of_document(root, config)?;
    let credentials = config.auth.clone();
    let (auth, auth_notices) = Auth::new(api.clone(), root, credentials, base.clone())?;
    let mut found = Found {
        config,
        base: base.clone(),
        namespace,
        builder: Builder {
            document: &document,
            schemas: Schemas::new(&document),
            max_output_schema: config
                .output_schemas
                .then_some(config.limits.max_output_schema),
            max_input_schema: config.limits.max_input_schema,
            notices: Vec::new(),
        },
        names: Names::of_tools(),
        tools: Vec::new(),
        operations: HashMap::new(),
        notices: auth_notices,
        filters: Filters::new(config),
    };
    found.read_paths(root)?;
    let notices = found.all_notices();
    let (tools, operations) = (found.tools, found.operations);
    Ok(OpenApi {
        backend: BackendRef::new(BackendKind::Provider, api.clone()),
        namespace: namespace.to_owned(),
        tools,
        operations,
        notices,
        http: Http::new(api, config),
        auth,
        headers: headers(config)?,
        trusted: trusted(config, &base)?,
        timeout: config.timeout,
        limits: config.limits,
    })
}

impl Found<'_> {
    fn read_paths(&mut self, root: &Value) -> Result<()> {
        let paths = root.get("paths").and_then(Value::as_object);
        let paths = paths.filter(|paths| !paths.is_empty()).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "the document describes no operation: its \"paths\" are missing or empty",
            )
        })?;
        for (path, item) in paths {
            if path.starts_with("x-") {
                continue;
            }
            match build::path_item(self.builder.document, item) {
                Ok(item) if item.is_object() => self.read_item(path, item),
                Ok(_) => self
                    .notices
                    .push(format!("left out {path}: it is no object")),
                Err(reason) => self.notices.push(format!("left out {path}: {reason}")),
            }
        }
        Ok(())
    }

    fn read_item(&mut self, path: &str, item: &Value) {
        for key in build::unknown_keys(item) {
            let notice = format!("left out {key:?} of {path}: it is no method");
            self.notices.push(notice);
        }
        for (method, operation) in build::operations(item) {
            let place = Place {
                method,
                path,
                item,
                operation,
            };
            if !self.filters.let_through(&place) {
                continue;
            }
            if let Err(reason) = self.read_operation(&place) {
                self.notices
                    .push(format!("left out {}: {reason}", place.label()));
            }
        }
    }

    fn read_operation(&mut self, place: &Place<'_>) -> std::result::Result<(), String> {
        if !place.operation.is_object() {
            return Err("it is no object".to_owned());
        }
        let base = server::of_operation(place.item, place.operation, &self.base, self.config)?;
        let id = place.operation.get("operationId").and_then(Value::as_str);
        let by_path = naming::of_path(place.method, place.path);
        let wanted = id
            .filter(|id| !naming::clean(id).is_empty())
            .unwrap_or(&by_path);
        let name = self.names.claim(&[wanted, &by_path]);
        let built = self.builder.build(place, base, self.namespace, &name);
        let (operation, tool) = built.inspect_err(|_| self.names.release(&name))?;
        let clean = naming::clean(wanted);
        if name != clean {
            self.notices.push(format!(
                "{}: its tool is named {name:?}, for {clean:?} is taken or too long",
                place.label()
            ));
        }
        let remote_name: Arc<str> = place.label().into();
        self.operations.insert(remote_name.clone(), operation);
        self.tools.push(OfferedTool { tool, remote_name });
        Ok(())
    }

    fn all_notices(&mut self) -> Vec<String> {
        let mut notices = std::mem::take(&mut self.notices);
        notices.append(&mut self.builder.notices);
        notices.extend(self.builder.schemas.take_notices());
        notices.extend(self.filters.notices());
        notices
    }
}

impl<'d> Filters<'d> {
    fn new(config: &'d ApiConfig) -> Self {
        Self {
            include: &config.include,
            exclude: &config.exclude,
            hits: vec![0; config.include.len() + config.exclude.len()],
            left_out: 0,
        }
    }

    fn let_through(&mut self, place: &Place<'_>) -> bool {
        let id = place.operation.get("operationId").and_then(Value::as_str);
        let tags = place.operation.get("tags").and_then(Value::as_array);
        let tags: Vec<&str> = tags
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let all = self.include.iter().chain(self.exclude);
        let fits: Vec<bool> = all
            .map(|filter| filter.fits(place.method, place.path, id.unwrap_or_default(), &tags))
            .collect();
        for (hits, fits) in self.hits.iter_mut().zip(&fits) {
            *hits += usize::from(*fits);
        }
        let (include, exclude) = fits.split_at(self.include.len());
        let passes = (include.is_empty() || include.contains(&true)) && !exclude.contains(&true);
        self.left_out += usize::from(!passes);
        passes
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if self.left_out > 0 {
            notices.push(format!(
                "{} operations are left out by include and exclude",
                self.left_out
            ));
        }
        for (place, hits) in self.hits.iter().enumerate() {
            if *hits == 0 {
                let (list, place) = match place.checked_sub(self.include.len()) {
                    Some(place) => ("exclude", place),
                    None => ("include", place),
                };
                notices.push(format!("{list}[{place}] fits no operation"));
            }
        }
        notices
    }
}

fn headers(config: &ApiConfig) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        let (name, mut value) = request::header(name, value.expose())
            .map_err(|reason| Error::new(ErrorKind::Config, format!("headers.{name}: {reason}")))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn trusted(config: &ApiConfig, base: &Url) -> Result<Vec<Origin>> {
    let mut trusted = vec![base.origin()];
    for text in &config.trusted_origins {
        let origin = origin(text).map_err(|error| {
            Error::new(
                ErrorKind::Config,
                format!("trusted_origins: {text:?}: {error}"),
            )
            .with_hint("write an origin like https://uploads.example.com")
        })?;
        trusted.push(origin);
    }
    Ok(trusted)
}
