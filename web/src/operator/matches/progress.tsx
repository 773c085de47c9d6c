/** How far something has come that goes on by itself. */
import { useId, type ReactNode } from 'react';

export interface ProgressProps {
  readonly name: string;
  readonly done: number;
  readonly of: number;
  /** The same in words. */
  readonly children: string;
}

/** Read out by whoever goes there, and not with each step. */
export function Progress({ name, done, of, children }: ProgressProps): ReactNode {
  const id = useId();
  return (
    <div className="progress">
      <span id={id} className="progress-name">
        {name}
      </span>
      <progress
        aria-labelledby={id}
        aria-valuetext={children}
        value={Math.min(done, of)}
        max={Math.max(1, of)}
      />
      <span className="progress-words">{children}</span>
    </div>
  );
}
