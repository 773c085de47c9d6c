/** The one door to fast-check: whatever a test draws, it draws the same in every run. */
import fc from 'fast-check';
import { PROPERTY_SEED } from './seed.js';

fc.configureGlobal({ seed: PROPERTY_SEED });

export default fc;
