/** TLS and login of the brokers, from the settings. */
import { readFile } from 'node:fs/promises';
import type { KafkaClientOptions } from './kafkajs.js';

export interface KafkaSecuritySettings {
  readonly kafkaTls: boolean;
  /** PEM text, or the path of a file with it. */
  readonly kafkaCa: string | undefined;
  readonly kafkaCert: string | undefined;
  readonly kafkaKey: string | undefined;
  readonly kafkaSaslMechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' | undefined;
  readonly kafkaUsername: string | undefined;
  readonly kafkaPassword: string | undefined;
}

/** Rejects when a file cannot be read. */
export async function kafkaSecurity(
  settings: KafkaSecuritySettings,
): Promise<Pick<KafkaClientOptions, 'tls' | 'sasl'>> {
  const { kafkaSaslMechanism: mechanism, kafkaUsername: username, kafkaPassword: password } = settings;
  const sasl = mechanism && username && password ? { sasl: { mechanism, username, password } } : {};
  if (!settings.kafkaTls) return sasl;
  const [ca, cert, key] = await Promise.all([
    pemOf('KAFKA_CA', settings.kafkaCa),
    pemOf('KAFKA_CERT', settings.kafkaCert),
    pemOf('KAFKA_KEY', settings.kafkaKey),
  ]);
  return { ...sasl, tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } };
}

async function pemOf(name: string, value: string | undefined): Promise<string | undefined> {
  if (value === undefined || value.includes('-----BEGIN')) return value;
  try {
    return await readFile(value, 'utf8');
  } catch (cause) {
    throw new Error(`${name} is neither PEM text nor a file that can be read: ${value}`, { cause });
  }
}
