// The rules of the house that the type checker does not know, above all who may import whom:
// App → screens → state → api; components and format import none of these but types.
import svelte from 'eslint-plugin-svelte';
import ts from 'typescript-eslint';

const wall = (files, layers, message) => ({
  files,
  rules: {
    'no-restricted-imports': 'off',
    '@typescript-eslint/no-restricted-imports': [
      'error',
      // Packages may be called like a layer.
      { patterns: [{ regex: `^\\.(.*/)?(${layers.join('|')})(/|$)`, message, caseSensitive: true }] },
    ],
  },
});

export default ts.config(
  { ignores: ['dist', 'dist-fake', 'node_modules', 'src/api/generated'] },
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'Use a union of strings.' },
      ],
      'svelte/no-at-html-tags': 'error',
      'svelte/button-has-type': 'error',
      // Our places are fragments of one page; there is no router to resolve them.
      'svelte/no-navigation-without-resolve': 'off',
    },
  },
  wall(
    ['src/api/**'],
    ['state', 'screens', 'components', 'format', 'App.svelte'],
    'api imports nothing of ours',
  ),
  wall(['src/state/**'], ['screens', 'components', 'App.svelte'], 'state imports api and format only'),
  wall(['src/components/**'], ['state', 'screens', 'api', 'App.svelte'], 'components import format only'),
  wall(
    ['src/format/**'],
    ['state', 'screens', 'components', 'App.svelte'],
    'format imports types of api only',
  ),
  wall(
    ['src/screens/**'],
    ['App.svelte', 'api/(tauri|fake|client|transport)'],
    'screens reach api through state',
  ),
);
