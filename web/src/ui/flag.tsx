/** A team's flag, from a file of the repository; loaded when it comes into view. */
import type { ReactNode } from 'react';
import { flagOf } from '../data/teams';

const WIDTH = 27;
const HEIGHT = 18;

/** Says nothing to screen readers: the team's name stands beside it. */
export function Flag({ team, scale = 1 }: { readonly team: string; readonly scale?: 1 | 2 }): ReactNode {
  const file = flagOf(team);
  const size = { width: WIDTH * scale, height: HEIGHT * scale };
  if (file === undefined) {
    return (
      <svg className="flag flag-none" viewBox="0 0 27 18" aria-hidden="true" {...size}>
        <path d="M8 9h11" className="stroke" />
      </svg>
    );
  }
  return <img className="flag" src={`/flags/${file}.svg`} alt="" loading="lazy" decoding="async" {...size} />;
}
