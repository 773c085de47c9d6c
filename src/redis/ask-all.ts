/** Many commands in one go. */
import { isCluster, type RedisClient } from './connection.js';

/** A command that has one key: its name, the key, what follows. */
export type Question = readonly [command: string, key: string, ...args: (string | number)[]];

/**
 * Answers all of them, in their order. One Redis gets them as one pipeline. In a cluster each goes by itself to the node
 * that has its key: in a pipeline ioredis asks all of it of the other node when some of its keys have moved, and that
 * one knows nothing of those that have not.
 */
export async function askEach(
  redis: RedisClient,
  questions: readonly Question[],
): Promise<readonly (readonly [Error | null, unknown])[]> {
  if (isCluster(redis)) {
    const answers = await Promise.allSettled(questions.map(([name, ...args]) => redis.call(name, ...args)));
    return answers.map((answer) =>
      answer.status === 'fulfilled' ? [null, answer.value] : [errorOf(answer.reason), undefined],
    );
  }
  const pipeline = redis.pipeline();
  for (const [name, ...args] of questions) pipeline.call(name, ...args);
  return (await pipeline.exec()) ?? [];
}

/** The same; rejects with the first that failed. */
export async function askAll(redis: RedisClient, questions: readonly Question[]): Promise<unknown[]> {
  return (await askEach(redis, questions)).map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

const errorOf = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));
