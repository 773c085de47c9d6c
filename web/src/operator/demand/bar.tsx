/** The time from now to the end, and where in it the ticket sells out; the same in words to whoever does not see it. */
import type { ReactNode } from 'react';
import { useLocale } from '../../i18n/locale';
import { LANGUAGES } from '../../i18n/languages';
import { useOperatorText } from '../../i18n/operator';
import { placesOf } from './view';
import type { TicketDemand } from './types';

const WIDTH = 140;
const HEIGHT = 18;
const MID = HEIGHT / 2;

export function ForecastBar(props: {
  readonly ticket: TicketDemand;
  readonly at: string;
  readonly words: string;
}): ReactNode {
  const { ticket, at, words } = props;
  const { code } = useLocale();
  if (ticket.outlook !== 'forecast') return null;
  const places = placesOf(ticket, at);
  // Time goes the way that is read.
  const isMirrored = LANGUAGES[code].dir === 'rtl';
  return (
    <svg
      className="demand-bar"
      role="img"
      aria-label={words}
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
    >
      <title>{words}</title>
      <g transform={isMirrored ? `translate(${WIDTH} 0) scale(-1 1)` : undefined}>
        <rect x="0.5" y={MID - 2.5} width={WIDTH - 1} height="5" rx="2.5" className="demand-way" />
        {places && <Interval {...places} />}
      </g>
    </svg>
  );
}

function Interval(places: NonNullable<ReturnType<typeof placesOf>>): ReactNode {
  const inner = WIDTH - 6;
  const start = 3 + places.earliest * inner;
  const end = places.latest === null ? WIDTH : 3 + places.latest * inner;
  return (
    <>
      <rect
        x={start - 1}
        y={MID - 5}
        width={Math.max(3, end - start + 1)}
        height="10"
        className="demand-interval"
      />
      {places.median !== null && (
        <rect x={1.5 + places.median * inner} y="0" width="3" height={HEIGHT} className="demand-median" />
      )}
    </>
  );
}

export function BarLegend(): ReactNode {
  const t = useOperatorText('demand');
  return (
    <ul className="demand-legend">
      {(['way', 'interval', 'median'] as const).map((part) => (
        <li key={part}>
          <svg width="22" height={HEIGHT} aria-hidden="true">
            {part === 'way' && (
              <rect x="0.5" y={MID - 2.5} width="21" height="5" rx="2.5" className="demand-way" />
            )}
            {part === 'interval' && (
              <rect x="1" y={MID - 5} width="20" height="10" className="demand-interval" />
            )}
            {part === 'median' && <rect x="9" width="3" height={HEIGHT} className="demand-median" />}
          </svg>
          {t(`legend.${part}`)}
        </li>
      ))}
    </ul>
  );
}
