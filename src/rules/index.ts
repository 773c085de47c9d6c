export * from './types.js';
export * from './apply.js';
export * from './decide.js';
export * from './waiting-list.js';
export { isSpokenFor, SERVED_MAX, type Elsewhere } from './waiting.js';
