/** Names and values, side by side where there is room. */
import type { ReactNode } from 'react';
import './parts.css';

export function Facts({ children }: { readonly children: ReactNode }): ReactNode {
  return <dl className="operator-facts">{children}</dl>;
}

export function Fact(props: { readonly name: string; readonly children: ReactNode }): ReactNode {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

/** A name that a machine gave: never translated, and broken anywhere. */
export function Id({ children }: { readonly children: string }): ReactNode {
  return <bdi className="mono breakable">{children}</bdi>;
}
