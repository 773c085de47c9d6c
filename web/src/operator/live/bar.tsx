/** How a ticket's capacity is divided, as a bar; the same in words to whoever does not see it. */
import type { ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { partsOf } from './view';
import type { LiveTicketState } from './types';

const WIDTH = 120;
const HEIGHT = 14;
const HATCH_ID = 'elsewhere-hatch';

/** What the bars of a page are filled with; once on the page. */
export function BarFills(): ReactNode {
  return (
    <svg width="0" height="0" className="live-fills" aria-hidden="true">
      <defs>
        <pattern
          id={HATCH_ID}
          width="5"
          height="5"
          patternUnits="userSpaceOnUse"
          patternTransform="rotate(45)"
        >
          <rect width="5" height="5" className="live-hatch-back" />
          <rect width="2" height="5" className="live-hatch-front" />
        </pattern>
      </defs>
    </svg>
  );
}

export function CapacityBar({ ticket }: { readonly ticket: LiveTicketState }): ReactNode {
  const t = useOperatorText('live');
  const { ours, elsewhere, free } = partsOf(ticket, WIDTH);
  const words = t('barWords', {
    ours: ticket.soldHere + ticket.heldHere,
    elsewhere: ticket.soldElsewhere + ticket.heldElsewhere,
    free: Math.max(0, ticket.pending),
    capacity: ticket.capacity,
  });
  return (
    <svg
      className="live-bar"
      role="img"
      aria-label={words}
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
    >
      <title>{words}</title>
      <rect x="0" width={ours} height={HEIGHT} className="live-ours" />
      <rect x={ours} width={elsewhere} height={HEIGHT} fill={`url(#${HATCH_ID})`} />
      <rect x={ours + elsewhere} width={free} height={HEIGHT} className="live-free" />
      <rect x="0.5" y="0.5" width={WIDTH - 1} height={HEIGHT - 1} className="live-frame" />
    </svg>
  );
}

export function BarLegend(): ReactNode {
  const t = useOperatorText('live');
  return (
    <ul className="live-legend">
      {(['ours', 'elsewhere', 'free'] as const).map((part) => (
        <li key={part}>
          <svg width="22" height="14" aria-hidden="true">
            <rect
              x="0.5"
              y="0.5"
              width="21"
              height="13"
              className={`live-frame live-${part}`}
              {...(part === 'elsewhere' && { fill: `url(#${HATCH_ID})` })}
            />
          </svg>
          {t(part)}
        </li>
      ))}
    </ul>
  );
}
