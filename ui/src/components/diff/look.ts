// What the editors look like. They live in a shadow root, where sheets that a script makes need no leave of the
// page's content policy; custom properties reach into it.
import { EditorView } from '@codemirror/view';

/** Where an editor goes: below an element that scrolls it or gives it a height. */
export function rootOf(host: HTMLElement): ShadowRoot {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  root.replaceChildren();
  return root;
}

export const look = EditorView.theme({
  '&': { fontSize: 'var(--text-s)', color: 'var(--ink)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--font-mono)', lineHeight: '1.5' },
  '.cm-content': { padding: 'var(--s2) 0', caretColor: 'var(--ink)', overflowWrap: 'anywhere' },
  '.cm-line': { padding: '0 var(--s3)', unicodeBidi: 'plaintext', borderLeft: '3px solid transparent' },
  '.cm-line.place-open': { background: 'var(--needs-you-soft)' },
  '.cm-line.place-done': { background: 'var(--fine-soft)' },
  '.cm-line.place-own': { background: 'var(--accent-soft)' },
  '.cm-line.place-here': { borderLeftColor: 'var(--accent)' },
  '.cm-specialChar': { color: 'var(--needs-you)' },
  '.place-empty': {
    padding: 'var(--s1) var(--s3)',
    borderLeft: '3px solid transparent',
    background: 'var(--rest-soft)',
    color: 'var(--ink-soft)',
    fontFamily: 'var(--font)',
  },
  '.place-words': { color: 'var(--needs-you)', fontFamily: 'var(--font)' },
  '.place-empty.place-here': { borderLeftColor: 'var(--accent)' },
  // The two sides are equals: neither is red or green.
  '&.cm-merge-a .cm-changedLine, &.cm-merge-b .cm-changedLine': { backgroundColor: 'var(--diff-soft)' },
  '&.cm-merge-a .cm-changedLine.place-done, &.cm-merge-b .cm-changedLine.place-done': {
    backgroundColor: 'var(--fine-soft)',
  },
  '&.cm-editor.cm-merge-a .cm-changedText, &.cm-editor.cm-merge-b .cm-changedText': {
    background: 'var(--diff-strong)',
    borderRadius: '2px',
  },
  // What nobody has to look at stays calm.
  '&.cm-editor .cm-changedLine.place-done .cm-changedText': { background: 'none' },
  '&.cm-editor .cm-collapsedLines': {
    padding: 'var(--s1) var(--s3)',
    background: 'var(--rest-soft)',
    color: 'var(--ink-soft)',
    fontFamily: 'var(--font)',
    fontSize: 'var(--text-s)',
  },
  // Its own signs are in few fonts.
  '&.cm-editor .cm-collapsedLines:before, &.cm-editor .cm-collapsedLines:after': { content: '""' },
});
