//! Made-up tools, always the same, that look like real ones.

use serde_json::{Map, Value, json};
use toolexec_core::Tool;

const VERBS: [&str; 20] = [
    "get",
    "list",
    "create",
    "delete",
    "update",
    "search",
    "send",
    "fetch",
    "convert",
    "calculate",
    "validate",
    "export",
    "import",
    "analyze",
    "schedule",
    "cancel",
    "merge",
    "upload",
    "render",
    "translate",
];
const OBJECTS: [&str; 50] = [
    "weather",
    "forecast",
    "issue",
    "repository",
    "branch",
    "commit",
    "invoice",
    "payment",
    "customer",
    "order",
    "product",
    "shipment",
    "ticket",
    "message",
    "channel",
    "email",
    "calendar",
    "event",
    "meeting",
    "document",
    "page",
    "comment",
    "file",
    "directory",
    "image",
    "video",
    "playlist",
    "recipe",
    "restaurant",
    "hotel",
    "flight",
    "route",
    "map",
    "address",
    "stock",
    "currency",
    "portfolio",
    "patient",
    "prescription",
    "sensor",
    "device",
    "container",
    "cluster",
    "database",
    "table",
    "query",
    "dashboard",
    "report",
    "survey",
    "translation",
];
const QUALITIES: [&str; 10] = [
    "daily",
    "archived",
    "public",
    "private",
    "recent",
    "scheduled",
    "failed",
    "shared",
    "recurring",
    "draft",
];
const PARAMETERS: [&str; 20] = [
    "id",
    "name",
    "owner",
    "query",
    "limit",
    "page",
    "start_date",
    "end_date",
    "format",
    "language",
    "latitude",
    "longitude",
    "amount",
    "currency",
    "status",
    "sort_order",
    "include_archived",
    "recipient",
    "subject",
    "timezone",
];
const PHRASES: [&str; 10] = [
    "Returns the result as a list sorted by the time of the last change.",
    "Needs read access to the workspace and fails when it is missing.",
    "Use it before you change anything, so that you know the identifiers.",
    "Large results are split into pages; ask for the next one with the cursor.",
    "The answer holds the full record and links to related ones.",
    "Does not change anything on the server.",
    "Changes take effect at once and cannot be undone.",
    "Only the owner of the workspace may call it.",
    "Dates are given in ISO 8601 and read in the timezone of the account.",
    "Filters can be combined; a record has to fit all of them.",
];

/// The first `count` of the made-up tools. Each has a namespace, a description of two to four
/// sentences and one to six parameters.
pub(crate) fn tools(count: usize) -> Vec<Tool> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    (0..count)
        .filter_map(|number| tool(number, &mut dice))
        .collect()
}

/// The first `count` of the made-up queries: short ones, as people type, and whole sentences.
pub(crate) fn queries(count: usize) -> Vec<String> {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let query = |number: usize| {
        let (verb, object) = (dice.pick(&VERBS), dice.pick(&OBJECTS));
        let (quality, other) = (dice.pick(&QUALITIES), dice.pick(&OBJECTS));
        let parameter = dice.pick(&PARAMETERS);
        match number % 4 {
            0 => format!("{verb} {object}"),
            1 => format!("{quality} {object} by {parameter}"),
            2 => format!("I need to {verb} the {quality} {object} of my account. Can you help me?"),
            _ => format!(
                "Please {verb} every {quality} {object} of the last week, sorted by {parameter}. \
                 Then tell me which {other} changed and send me a short report about it."
            ),
        }
    };
    (0..count).map(query).collect()
}

fn tool(number: usize, dice: &mut Dice) -> Option<Tool> {
    let (verb, object) = (dice.pick(&VERBS), dice.pick(&OBJECTS));
    let (quality, other) = (dice.pick(&QUALITIES), dice.pick(&OBJECTS));
    let mut description =
        format!("{verb} the {quality} {object} of a {other} in service {number}.");
    for _ in 0..=dice.below(3) {
        description.push(' ');
        description.push_str(dice.pick(&PHRASES));
    }
    let mut properties = Map::new();
    for _ in 0..=dice.below(6) {
        let name = dice.pick(&PARAMETERS);
        let text = format!("The {} of the {object}", name.replace('_', " "));
        properties.insert(
            name.to_owned(),
            json!({"type": "string", "description": text}),
        );
    }
    let required: Vec<Value> = properties.keys().take(1).map(|name| json!(name)).collect();
    Tool::builder(format!(
        "service{}:{verb}_{quality}_{object}_{number}",
        number % 200
    ))
    .description(description)
    .input_schema(json!({"type": "object", "properties": properties, "required": required}))
    .build()
    .ok()
}

/// xorshift: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}
