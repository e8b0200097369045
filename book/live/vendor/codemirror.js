// What the editor of a code cell takes from CodeMirror 6: npm install && npm run build
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { Prec } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

export { EditorView, Prec, keymap };
export const extensions = [
  history(),
  indentOnInput(),
  indentUnit.of("    "),
  bracketMatching(),
  python(),
  syntaxHighlighting(classHighlighter),
  keymap.of([...defaultKeymap, ...historyKeymap]),
];
