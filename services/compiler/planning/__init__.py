"""Pure planners: from a compile request to a film's pieces, their keys, its sound, captions, cost and hand-over."""
