export const diff = {
  /** `$` is the number of lines. */
  alike: '$ lines alike',
  whole: 'Show all lines',
  failed: 'The texts could not be shown. Load the window again.',
  result: 'The merged text',
  open: 'Choose above what goes here, or write it yourself',
  nothing: 'Nothing is left here',
};
