CREATE TABLE public.outbox (
    id bigint NOT NULL,
    routing_key text NOT NULL,
    message_id text NOT NULL,
    correlation_id text NOT NULL,
    traceparent text NOT NULL,
    body text NOT NULL,
    available_at timestamp with time zone NOT NULL,
    tracestate text
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='20000');
CREATE SEQUENCE public.outbox_ids
    START WITH 1
    INCREMENT BY 4000
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE SEQUENCE public.product_ids
    START WITH 1
    INCREMENT BY 20
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE public.products (
    id bigint NOT NULL,
    name text NOT NULL,
    price_cents bigint NOT NULL,
    qty bigint NOT NULL,
    initial_qty bigint NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    request_id text NOT NULL,
    CONSTRAINT products_created_at_check CHECK (((created_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (created_at <= '9999-12-31 23:59:59+00'::timestamp with time zone))),
    CONSTRAINT products_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT products_price_cents_check CHECK (((price_cents >= 0) AND (price_cents <= '999999999999'::bigint))),
    CONSTRAINT products_qty_check CHECK (((qty >= 0) AND (qty <= 2147483647))),
    CONSTRAINT products_request_id_check CHECK ((octet_length(request_id) <= 128)),
    CONSTRAINT products_updated_at_check CHECK (((updated_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (updated_at <= '9999-12-31 23:59:59+00'::timestamp with time zone))),
    CONSTRAINT products_version_check CHECK ((version > 0))
)
WITH (fillfactor='50');
CREATE TABLE public.restocks (
    id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity bigint NOT NULL,
    restocked_at timestamp with time zone NOT NULL,
    request_id text NOT NULL,
    CONSTRAINT restocks_quantity_check CHECK ((quantity > 0))
);
ALTER TABLE public.restocks ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.restocks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.schema_migrations (
    version integer NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.stock_ledger (
    order_id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity bigint NOT NULL,
    status text NOT NULL,
    reason text,
    decided_at timestamp with time zone NOT NULL,
    request_id text NOT NULL,
    CONSTRAINT stock_ledger_check CHECK (((status = 'rejected'::text) = (reason IS NOT NULL))),
    CONSTRAINT stock_ledger_decided_at_check CHECK (((decided_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (decided_at <= '9999-12-31 23:59:59+00'::timestamp with time zone))),
    CONSTRAINT stock_ledger_quantity_check CHECK ((quantity > 0)),
    CONSTRAINT stock_ledger_reason_check CHECK ((reason = ANY (ARRAY['out_of_stock'::text, 'product_not_found'::text]))),
    CONSTRAINT stock_ledger_status_check CHECK ((status = ANY (ARRAY['done'::text, 'rejected'::text])))
);
COPY public.outbox (id, routing_key, message_id, correlation_id, traceparent, body, available_at, tracestate) FROM stdin;
12001	order.updated	order.updated-1008	old-15	00-653df671297ea459c16150714d249f60-dfa03104dd7b6597-01	{"orderId":1008,"productId":1,"status":"done","reason":null,"updatedAt":"2024-11-30T11:31:53.032Z","requestId":"old-15","timestamp":"2024-11-30T11:31:53.032Z"}	2024-11-30 11:32:02.002405+00	\N
12002	order.updated	order.updated-1009	old-16	00-99a075d02d8d6ca3210434f50924c363-b3ca7f66de17fe16-01	{"orderId":1009,"productId":6,"status":"done","reason":null,"updatedAt":"2024-11-30T11:31:53.032Z","requestId":"old-16","timestamp":"2024-11-30T11:31:53.032Z"}	2024-11-30 11:32:02.00245+00	\N
12003	order.updated	order.updated-1010	old-17	00-2388d56c85904d10948a8112ed9948a1-0d214570489d908d-01	{"orderId":1010,"productId":7,"status":"rejected","reason":"out_of_stock","updatedAt":"2024-11-30T11:31:53.032Z","requestId":"old-17","timestamp":"2024-11-30T11:31:53.032Z"}	2024-11-30 11:32:02.002454+00	\N
12004	product.updated	product.updated-1-v6	old-15	00-653df671297ea459c16150714d249f60-dfa03104dd7b6597-01	{"id":1,"name":"Espresso cup, white, 80 ml","price":6.50,"qty":1999999988,"version":6,"createdAt":"2024-11-30T11:31:19.763Z","updatedAt":"2024-11-30T11:31:53.032Z","requestId":"old-15","timestamp":"2024-11-30T11:31:53.147Z"}	2024-11-30 11:32:02.002456+00	\N
12005	product.updated	product.updated-6-v3	old-16	00-99a075d02d8d6ca3210434f50924c363-b3ca7f66de17fe16-01	{"id":6,"name":"Mechanical keyboard, ISO layout","price":119.00,"qty":247,"version":3,"createdAt":"2024-11-30T11:31:20.138Z","updatedAt":"2024-11-30T11:31:53.032Z","requestId":"old-16","timestamp":"2024-11-30T11:31:53.147Z"}	2024-11-30 11:32:02.002458+00	\N
16001	product.updated	product.updated-2-v3	old-restock		{"id":2,"name":"Concert ticket, standing","price":49.00,"qty":1999500025,"version":3,"createdAt":"2024-11-30T11:31:19.913Z","updatedAt":"2024-11-30T11:32:14.053Z","requestId":"old-restock","timestamp":"2024-11-30T11:32:14.057Z"}	2024-11-30 11:32:24.05928+00	\N
\.
COPY public.products (id, name, price_cents, qty, initial_qty, version, created_at, updated_at, request_id) FROM stdin;
12	Fountain pen, fine nib	3400	410	410	1	2024-11-30 11:31:20.983+00	2024-11-30 11:31:20.983+00	99fa6d86-5fba-4ab3-9534-1458d138cba8
13	Olive oil, extra virgin, 0.5 l	980	1500	1500	1	2024-11-30 11:31:21.067+00	2024-11-30 11:31:21.067+00	a068468e-965e-4a36-abdd-2caa70ee5eec
14	Ground coffee, 1 kg	1849	2200	2200	1	2024-11-30 11:31:21.258+00	2024-11-30 11:31:21.258+00	357ea788-a654-41a5-bc3b-4fa352fc847f
15	Hiking backpack, 30 l	9450	160	160	1	2024-11-30 11:31:21.398+00	2024-11-30 11:31:21.398+00	a5a08dbc-9ff2-4e26-9e6f-502ec7118fd1
16	Wool blanket, grey	5900	275	275	1	2024-11-30 11:31:21.536+00	2024-11-30 11:31:21.536+00	6ae5d7df-8ebd-4d24-80f3-87144e81d4d4
17	Bicycle bell, brass	1675	640	640	1	2024-11-30 11:31:21.647+00	2024-11-30 11:31:21.647+00	bd4cc712-4caa-4e45-8b30-7f48c6522491
18	Chef's knife, 20 cm	7200	190	190	1	2024-11-30 11:31:21.776+00	2024-11-30 11:31:21.776+00	41fcb79b-6441-46ed-a34b-feed78007709
19	Board game for 2 to 4 players	3199	420	420	1	2024-11-30 11:31:21.891+00	2024-11-30 11:31:21.891+00	6c31af29-d5d3-4d73-bcec-7a6f1c7542f4
20	Houseplant: Monstera deliciosa, 60 cm	2790	85	85	1	2024-11-30 11:31:21.951+00	2024-11-30 11:31:21.951+00	ee1db376-9d70-4d1b-b10b-7ca16bed86ab
21	Rechargeable batteries AA, pack of 4	1120	3000	3000	1	2024-11-30 11:31:22.064+00	2024-11-30 11:31:22.064+00	a81680d4-d605-46af-8209-fb33403ec0fd
22	Umbrella, windproof	2495	560	560	1	2024-11-30 11:31:22.143+00	2024-11-30 11:31:22.143+00	d21dfd57-4fcb-42fd-84c9-aeca8d889bee
23	Gift card	2500	100000	100000	1	2024-11-30 11:31:22.296+00	2024-11-30 11:31:22.296+00	96db4c0c-eed3-494a-bb09-f78cdb77db8a
24	Sticker sheet (free sample)	0	10000	10000	1	2024-11-30 11:31:22.447+00	2024-11-30 11:31:22.447+00	3ad28487-3916-4cc2-b872-229b66ea2869
3	Running shoe, blue, size 42	8995	1999999996	2000000000	2	2024-11-30 11:31:19.995+00	2024-11-30 11:31:24.877+00	0a4159b8-ac35-4806-8a81-f0092c9bda99
2	Concert ticket, standing	4900	1999500025	2000000000	3	2024-11-30 11:31:19.913+00	2024-11-30 11:32:14.053+00	322d371c-0c84-43be-8417-164e413338b3
8	Game console, limited edition	49999	299	300	2	2024-11-30 11:31:20.411+00	2024-11-30 11:31:44.197+00	5925f936-0788-4741-9b9a-595d1fc23a67
4	USB-C cable, 1 m	799	1999999993	2000000000	2	2024-11-30 11:31:20.038+00	2024-11-30 11:31:32.56+00	664953a1-3fbf-46d7-9607-c2f95c0915b7
5	Cotton T-shirt, black, M	1490	1999900000	2000000000	2	2024-11-30 11:31:20.081+00	2024-11-30 11:31:32.56+00	12c4949b-b199-4e10-b8d3-ce70f358afdf
7	Noise-cancelling headphones	24900	119	120	2	2024-11-30 11:31:20.235+00	2024-11-30 11:31:43.694+00	082a22da-ac1b-413b-a4c9-e638553b3e55
9	Stainless steel water bottle, 0.7 l	2150	799	800	2	2024-11-30 11:31:20.591+00	2024-11-30 11:31:44.616+00	4e66f359-475c-411f-99f7-5240c4f6ef21
10	Desk lamp with dimmer	3990	339	340	2	2024-11-30 11:31:20.673+00	2024-11-30 11:31:44.82+00	fb506342-a30f-4141-84df-2d028141ca12
11	Notebook A5, dotted, 192 pages	1295	4999	5000	2	2024-11-30 11:31:20.813+00	2024-11-30 11:31:45.232+00	cad2f4d9-9a40-4f53-b52e-849df2084cb9
1	Espresso cup, white, 80 ml	650	1999999988	2000000000	6	2024-11-30 11:31:19.763+00	2024-11-30 11:31:53.032+00	07e1ba98-fcc3-44ce-8bd7-f0c3364abe4e
6	Mechanical keyboard, ISO layout	11900	247	250	3	2024-11-30 11:31:20.138+00	2024-11-30 11:31:53.032+00	50edbf14-1c8d-4c68-b1d2-952a0a2e4793
41	Late one	350	9	9	1	2024-11-30 11:31:36.025+00	2024-11-30 11:31:36.025+00	old-made
\.
COPY public.restocks (id, product_id, quantity, restocked_at, request_id) FROM stdin;
1	2	25	2024-11-30 11:32:14.053+00	old-restock
\.
COPY public.schema_migrations (version, applied_at) FROM stdin;
1	2024-11-30 11:31:16.744381+00
2	2024-11-30 11:31:16.744381+00
\.
COPY public.stock_ledger (order_id, product_id, quantity, status, reason, decided_at, request_id) FROM stdin;
1	1	1	done	\N	2024-11-30 11:31:23.303+00	old-1
2	1	2	done	\N	2024-11-30 11:31:24.003+00	old-2
3	2	500000	done	\N	2024-11-30 11:31:24.244+00	old-3
4	3	4	done	\N	2024-11-30 11:31:24.877+00	old-4
5	1	3	done	\N	2024-11-30 11:31:32.56+00	old-5
6	4	7	done	\N	2024-11-30 11:31:32.56+00	old-6
7	5	100000	done	\N	2024-11-30 11:31:32.56+00	old-7
1001	1	1	done	\N	2024-11-30 11:31:42.927+00	old-8
1002	6	1	done	\N	2024-11-30 11:31:43.302+00	old-9
1003	7	1	done	\N	2024-11-30 11:31:43.694+00	old-10
1004	8	1	done	\N	2024-11-30 11:31:44.197+00	old-11
1005	9	1	done	\N	2024-11-30 11:31:44.616+00	old-12
1006	10	1	done	\N	2024-11-30 11:31:44.82+00	old-13
1007	11	1	done	\N	2024-11-30 11:31:45.232+00	old-14
1008	1	5	done	\N	2024-11-30 11:31:53.032+00	old-15
1009	6	2	done	\N	2024-11-30 11:31:53.032+00	old-16
1010	7	100000	rejected	out_of_stock	2024-11-30 11:31:53.032+00	old-17
\.
SELECT pg_catalog.setval('public.outbox_ids', 16001, true);
SELECT pg_catalog.setval('public.product_ids', 41, true);
SELECT pg_catalog.setval('public.restocks_id_seq', 1, true);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.restocks
    ADD CONSTRAINT restocks_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.stock_ledger
    ADD CONSTRAINT stock_ledger_pkey PRIMARY KEY (order_id);
CREATE INDEX restocks_by_product ON public.restocks USING btree (product_id);
ALTER TABLE ONLY public.restocks
    ADD CONSTRAINT restocks_product_id_fkey FOREIGN KEY (product_id) REFERENCES public.products(id);
