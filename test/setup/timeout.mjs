/** How long a test or hook may take, by the level of the test (jest.config.mjs). */
import { jest } from '@jest/globals';

jest.setTimeout(globalThis.testTimeoutMs);
