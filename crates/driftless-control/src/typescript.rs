//! The API as TypeScript, for the desktop app's client. Called by `cargo xtask codegen`.

use std::collections::BTreeMap;
use std::fmt::Write;

use ts_rs::{Config, TS, TypeVisitor};

use crate::api::{ApiError, SubscriptionFrame};
use crate::method::{Method, MethodVisitor, visit_methods};

/// Renders one module: every type, and an interface `Methods` that maps names to parameters and replies.
///
/// The same source always gives the same text.
pub fn render() -> String {
    let mut module = Module { config: Config::new().with_large_int("number"), ..Module::default() };
    // No method's reply names these two, but every client meets them.
    TypeVisitor::visit::<ApiError>(&mut module);
    TypeVisitor::visit::<SubscriptionFrame>(&mut module);
    visit_methods(&mut module);
    let mut text = String::new();
    for declaration in module.declarations.values() {
        text.push_str("export ");
        text.push_str(declaration);
        text.push_str("\n\n");
    }
    text.push_str("export interface Methods {\n");
    text.push_str(&module.methods);
    text.push_str("}\n");
    text
}

#[derive(Default)]
struct Module {
    config: Config,
    declarations: BTreeMap<String, String>,
    methods: String,
}

impl TypeVisitor for Module {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Only derived types have a file of their own; numbers, strings and lists are written in place.
        if T::output_path().is_some() {
            let name = T::ident(&self.config);
            if self.declarations.contains_key(&name) {
                return;
            }
            self.declarations.insert(name, T::decl(&self.config));
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

impl MethodVisitor for Module {
    fn visit<M: Method>(&mut self) {
        TypeVisitor::visit::<M>(self);
        TypeVisitor::visit::<M::Reply>(self);
        let (params, reply) = (M::name(&self.config), M::Reply::name(&self.config));
        // Writing to a string cannot fail.
        let _ = writeln!(self.methods, "  {:?}: {{ params: {params}; reply: {reply} }};", M::NAME);
    }
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::method::METHODS;

    #[test]
    fn typescript_declares_every_method_and_no_bigint() {
        let text = render();
        for method in METHODS {
            assert!(text.contains(&format!("  {method:?}: {{ params: ")), "{method} is missing");
        }
        assert!(
            text.contains("\"device.list\": { params: DeviceList; reply: Array<DeviceView> };")
        );
        assert!(text.contains("export type FolderStatus = "));
        assert!(text.contains("export type ApiError = "));
        assert!(text.contains("\"type\": \"conflict-opened\""));
        assert!(!text.contains("bigint"));
    }
}
