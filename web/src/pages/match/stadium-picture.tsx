import type { ReactNode } from 'react';
import type { Category } from '../../api/types';
import { useText } from '../../i18n/locale';
import { BOWL, ZONES } from './bowl';

export interface StadiumPictureProps {
  readonly selected: Category | null;
  readonly isOpen: (category: Category) => boolean;
  readonly onSelect: (category: Category) => void;
}

/** Zones to point at. Keyboards and screen readers have the same choice as radio buttons beside it. */
export function StadiumPicture({ selected, isOpen, onSelect }: StadiumPictureProps): ReactNode {
  const t = useText('match');
  return (
    <svg
      className="bowl"
      viewBox={`0 0 ${BOWL.width} ${BOWL.height}`}
      width={BOWL.width}
      height={BOWL.height}
      role="img"
      aria-label={t('picture')}
    >
      {ZONES.map(({ category, path, labels }) => (
        <g
          key={category}
          className={`zone zone-${category}${selected === category ? ' zone-selected' : ''}${isOpen(category) ? '' : ' zone-closed'}`}
          onClick={isOpen(category) ? () => onSelect(category) : undefined}
        >
          <path d={path} />
          {labels.map(({ x, y }) => (
            <g key={`${x} ${y}`}>
              <circle cx={x} cy={y} r="11" className="zone-label-back" />
              <text x={x} y={y} dy="0.36em" textAnchor="middle" className="zone-label">
                {category}
              </text>
            </g>
          ))}
        </g>
      ))}
      <g className="pitch" aria-hidden="true">
        <rect x="118" y="94" width="164" height="112" rx="4" className="pitch-grass" />
        <g className="pitch-lines">
          <rect x="124" y="100" width="152" height="100" />
          <path d="M200 100v100M124 126h24v48h-24M276 126h-24v48h24M124 138h9v24h-9M276 138h-9v24h9" />
          <circle cx="200" cy="150" r="17" />
        </g>
      </g>
    </svg>
  );
}
