/**
 * Three levels of test, told apart by suffix, each a project (`--selectProjects unit`): unit tests touch
 * nothing outside the process, int and e2e tests stand on one real redis-server (test/setup). Coverage is
 * asked for with --coverage and holds the rules and the actors to a minimum.
 */
const swc = (jsc) => [
  '@swc/jest',
  { jsc: { ...jsc, target: 'es2022' }, module: { type: 'es6' }, sourceMaps: true },
];

const shared = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/data/'],
  transform: {
    // Apart, because generic arrow functions of plain TypeScript are no TSX.
    '\\.ts$': swc({ parser: { syntax: 'typescript' } }),
    '\\.tsx$': swc({
      parser: { syntax: 'typescript', tsx: true },
      transform: { react: { runtime: 'automatic' } },
    }),
  },
  collectCoverageFrom: ['src/rules/**/*.ts', 'src/actors/**/*.ts'],
};

const redis = {
  globalSetup: '<rootDir>/test/setup/global-setup.mjs',
  globalTeardown: '<rootDir>/test/setup/global-teardown.mjs',
};

const level = (name, testTimeoutMs, more) => ({
  ...shared,
  ...more,
  displayName: name,
  testMatch: [`<rootDir>/test/**/*.${name}.spec.ts`, `<rootDir>/web/test/**/*.${name}.spec.ts`],
  // Jest heeds testTimeout only outside projects.
  globals: { testTimeoutMs },
  setupFilesAfterEnv: ['<rootDir>/test/setup/timeout.mjs'],
});

export default {
  projects: [level('unit', 10_000, {}), level('int', 30_000, redis), level('e2e', 60_000, redis)],
  maxWorkers: 2,
  coverageDirectory: 'coverage',
  coverageReporters: ['text', 'text-summary', 'json-summary'],
  coverageThreshold: { './src/rules/': { statements: 95 }, './src/actors/': { statements: 95 } },
};
