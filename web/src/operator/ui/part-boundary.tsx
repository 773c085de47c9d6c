/** A part of a page that can be missed: when it cannot be loaded or shown, a sentence stands in its place. */
import { Component, type ReactNode } from 'react';

interface Props {
  readonly otherwise: string;
  readonly children: ReactNode;
}

export class PartBoundary extends Component<Props, { readonly failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    const { otherwise, children } = this.props;
    return this.state.failed ? <p className="operator-empty soft">{otherwise}</p> : children;
  }
}
