/** The payment sandbox through Stripe's library, over a real embedded archive. */
import { sandboxWorld } from './worlds.js';
import { providerSuite } from './provider-suite.js';

providerSuite('the sandbox through Stripe’s library', () => sandboxWorld(), 200);
