/**
 * Lint. Besides the strict type-checked rules it keeps the boundaries of the layout: which folder may import
 * which package, where the environment may be read, and that the rules of a ticket stay pure.
 */
import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import reactHooks from 'eslint-plugin-react-hooks';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Packages that one folder alone may import. */
const HOMES = {
  cockatiel: 'src/overload',
  '@duckdb/node-api': 'src/analytics/lake',
  kafkajs: 'src/kafka',
  lmdb: 'src/archive',
  mongodb: 'src/archive',
  bullmq: 'src/queues',
  redlock: 'src/redis',
};

/** `no-restricted-imports` for a folder: every package that is not at home there. */
function importsIn(folder) {
  const away = Object.entries(HOMES).filter(([, home]) => home !== folder);
  return {
    'no-restricted-imports': [
      'error',
      {
        paths: [
          {
            name: 'node:process',
            importNames: ['env'],
            message: 'Settings come from config/.',
          },
        ],
        patterns: away.map(([name, home]) => ({
          group: [name, `${name}/*`],
          message: `Only ${home} may import ${name}.`,
        })),
      },
    ],
  };
}

const IMPURE_GLOBALS = [
  'Buffer',
  'Date',
  'clearInterval',
  'clearTimeout',
  'console',
  'crypto',
  'fetch',
  'globalThis',
  'performance',
  'process',
  'queueMicrotask',
  'setImmediate',
  'setInterval',
  'setTimeout',
];

const NODE_GLOBALS = [
  'AbortController',
  'AbortSignal',
  'Buffer',
  'URL',
  'URLSearchParams',
  'clearInterval',
  'clearTimeout',
  'console',
  'fetch',
  'performance',
  'process',
  'setInterval',
  'setTimeout',
];

export default defineConfig(
  { ignores: ['dist/', 'coverage/', 'data/', '.cache/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // Believes that a field cannot have changed during an await, and so asks for checks to be removed.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-unnecessary-type-arguments': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      // A port's method is async even where an implementation has nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      // TypeScript is structural; packages take look-alikes of their own classes.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    // The entry of a process hands its environment to main.
    ignores: ['src/run.ts'],
    rules: {
      ...importsIn('src'),
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Settings come from config/.' },
      ],
    },
  },
  ...[...new Set(Object.values(HOMES))].map((folder) => ({
    files: [`${folder}/**/*.ts`],
    rules: importsIn(folder),
  })),
  {
    // The rules of a ticket: no clock, no chance, no input or output.
    files: ['src/rules/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^(?!immutable$|\\./[\\w-]+\\.js$)',
              message: 'The rules import only immutable and themselves.',
            },
          ],
        },
      ],
      'no-restricted-globals': [
        'error',
        ...IMPURE_GLOBALS.map((name) => ({
          name,
          message: 'The rules are pure; time comes in the command.',
        })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'The rules are pure.' },
      ],
      'no-restricted-syntax': ['error', { selector: 'ImportExpression', message: 'The rules are pure.' }],
    },
  },
  {
    // The web app runs in browsers: it shares no code with the services and imports none of their packages.
    files: ['web/src/**/*.ts', 'web/src/**/*.tsx'],
    extends: [reactHooks.configs.flat.recommended],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['**/../src/**', '**/config/*', 'node:*', ...Object.keys(HOMES)],
              message: 'The web app speaks to the services over HTTP only.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'web/test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
      // Matchers such as expect.any() are typed any.
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
  {
    files: ['test/**/*.ts'],
    ignores: ['test/helpers/property.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { name: 'fast-check', message: 'test/helpers/property.ts gives it with the seed of this run.' },
      ],
    },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: { globals: Object.fromEntries(NODE_GLOBALS.map((name) => [name, 'readonly'])) },
  },
  prettier,
);
