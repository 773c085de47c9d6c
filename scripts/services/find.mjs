/**
 * What stands in the tests for Kafka and MongoDB on this machine, and the browser that they look with. Nothing is
 * fetched for one that the environment names: KAFKA_BROKERS, MONGODB_URL, CHROMIUM_PATH.
 */
import { findChromium } from './chromium.mjs';
import { findKafka } from './kafka.mjs';
import { findMongo } from './mongo.mjs';

/** Never throws: a server that cannot be had is of kind `none` and says why. */
export async function findServices({ install = false, log = console.log } = {}) {
  // One after the other: two Mavens at once can spoil the repository that they share.
  const kafka = await findKafka({ install: install && !process.env.KAFKA_BROKERS, log });
  const mongo = await findMongo({ install: install && !process.env.MONGODB_URL, log });
  const browser = await findChromium({ install, log });
  return { kafka, mongo, browser };
}
