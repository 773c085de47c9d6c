export * from './types.js';
export * from './apply.js';
export * from './decide.js';
