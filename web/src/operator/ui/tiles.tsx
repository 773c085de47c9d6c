/** Numbers that stand for themselves, each with its name. */
import type { ReactNode } from 'react';

export function Tiles({ children }: { readonly children: ReactNode }): ReactNode {
  return <dl className="tiles">{children}</dl>;
}

export function Tile(props: {
  readonly name: string;
  readonly note?: ReactNode;
  readonly children: ReactNode;
}): ReactNode {
  const { name, note, children } = props;
  return (
    <div className="tile">
      <dt>{name}</dt>
      <dd>
        <span className="tile-value">{children}</span>
        {note !== undefined && <span className="tile-note">{note}</span>}
      </dd>
    </div>
  );
}
