-- migrate:up transaction:false
-- The conformed clips of given sources, which every film and every preparation looks for.
create index concurrently if not exists pieces_conformed on pieces ((facts ->> 'source')) where kind = 'clip' and made_at is not null;

-- migrate:down
drop index pieces_conformed;
