-- migrate:up

-- Where the media are not what the model was asked for: [{field, asked, made}].
alter table versions add column differences jsonb not null default '[]';

-- migrate:down
alter table versions drop column differences;
