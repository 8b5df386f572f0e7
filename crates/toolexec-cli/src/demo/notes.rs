//! A few notes and the tools over them.

use serde_json::{Value, json};

/// Notes in memory.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: Vec<Note>,
}

#[derive(Debug)]
struct Note {
    title: String,
    text: String,
}

/// What a tool answers: a value, or a failure in words.
pub(super) type Answer = Result<Value, String>;

impl Notes {
    /// The tools as MCP lists them.
    pub(super) fn tools() -> Value {
        let note = json!({
            "type": "object",
            "properties": {
                "number": { "type": "integer" },
                "title": { "type": "string" },
                "text": { "type": "string" },
            },
            "required": ["number", "title", "text"],
        });
        let list = json!({
            "type": "object",
            "properties": { "notes": { "type": "array", "items": note } },
            "required": ["notes"],
        });
        json!([
            {
                "name": "create_note",
                "description": "Writes a note.",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "title": { "type": "string", "minLength": 1, "description": "A few words." },
                        "text": { "type": "string", "description": "The note itself." },
                    },
                    "required": ["title"],
                    "additionalProperties": false,
                },
                "outputSchema": note,
                "annotations": { "readOnlyHint": false, "destructiveHint": false },
            },
            {
                "name": "list_notes",
                "description": "Lists all notes.",
                "inputSchema": { "type": "object", "additionalProperties": false },
                "outputSchema": list,
                "annotations": { "readOnlyHint": true },
            },
            {
                "name": "search_notes",
                "description": "Finds the notes whose title or text has a word.",
                "inputSchema": {
                    "type": "object",
                    "properties": { "word": { "type": "string", "description": "What to look for." } },
                    "required": ["word"],
                    "additionalProperties": false,
                },
                "outputSchema": list,
                "annotations": { "readOnlyHint": true },
            },
        ])
    }

    /// Runs a tool; `None`: there is no such tool.
    pub(super) fn call(&mut self, tool: &str, args: &Value) -> Option<Answer> {
        match tool {
            "create_note" => Some(self.create(args)),
            "list_notes" => Some(Ok(self.list(|_| true))),
            "search_notes" => Some(self.search(args)),
            _ => None,
        }
    }

    fn create(&mut self, args: &Value) -> Answer {
        let title = args["title"].as_str().ok_or("a note needs a title")?;
        if self.notes.iter().any(|note| note.title == title) {
            return Err(format!("there is a note {title:?} already"));
        }
        let text = args["text"].as_str().unwrap_or_default();
        self.notes.push(Note {
            title: title.to_owned(),
            text: text.to_owned(),
        });
        Ok(json!({ "number": self.notes.len(), "title": title, "text": text }))
    }

    fn search(&self, args: &Value) -> Answer {
        let word = args["word"].as_str().ok_or("a search needs a word")?;
        let word = word.to_lowercase();
        Ok(self.list(|note| {
            note.title.to_lowercase().contains(&word) || note.text.to_lowercase().contains(&word)
        }))
    }

    fn list(&self, keep: impl Fn(&Note) -> bool) -> Value {
        let notes: Vec<Value> = (1..)
            .zip(&self.notes)
            .filter(|(_, note)| keep(note))
            .map(|(number, note)| json!({ "number": number, "title": note.title, "text": note.text }))
            .collect();
        json!({ "notes": notes })
    }
}
