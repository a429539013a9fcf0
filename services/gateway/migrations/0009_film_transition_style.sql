-- migrate:up

-- The style that a film was requested with; null: none. Its transitions are in `request`.
alter table compilations add column transition_style text;

-- migrate:down
alter table compilations drop column transition_style;
