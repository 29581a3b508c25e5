{# Modality of a licensed product by its name, for names that the vocabulary does not have: stems of international
   nonproprietary names, and the words that agencies use for blood products, vaccines, allergens, genes and cells. Takes
   the name in lower case, without the suffix of four letters of the United States. Null where nothing in it tells.
   The first pattern that matches decides, so that payloads and formats stand before the antibody that carries them. #}
{% macro modality_by_name(name) -%}
    {%- set patterns = [
        ['blood_component', '(cord blood|progenitor cells, cord|hpc, cord)'],
        ['oncolytic_virus', '(repvec|oncolytic)'],
        ['vaccine', '(vaccin|toxoid|meran$|mrna encoding|surface antigen|fusion f protein|bcg live|influenza a|influenza virus)'],
        ['tissue_product', '(chondrocyte|cartilage cell|keratinocyte|fibroblast|corneal epithelial|thymus tissue|tissue engineered)'],
        ['allergen_extract', '(allerg|pollen|venom|mite|insects|epitheli|molds|food|candida albicans|skin test)'],
        ['cell_therapy', '(cel(?:-[a-z])?$|[^a-z]cells(?:[^a-z]|$)|cell lysates)'],
        ['gene_therapy', '(vec$|gene [a-z]+vec|perplasmid|kinase gene)'],
        ['live_microbial', '(fecal microbiota)'],
        ['botulinum_toxin', '(botulinumtoxin|botulinum toxin)'],
        ['animal_immune_serum', '(antivenin|antivenom|antitoxin|[(](?:equine|ovine|rabbit)[)]|immune f(?:ab)?)'],
        ['recombinant_coagulation_factor', '(cog (?:alfa|beta|pegol)|antithrombin alfa|(?:factor|thrombin|adamts13|inhibitor).*recombinant)'],
        ['plasma_derived_product',
            '(globulin|albumin|coagulation factor|antihemophilic|factor ix|factor xiii|fibrin|thrombin|proteinase|antitrypsin|c1 esterase|plasma|protein c|plasminogen|von willebrand)'],
        ['antibody_drug_conjugate',
            '(mab (?:[a-z]*deruxtecan|vedotin|emtansine|[a-z]*govitecan|tesirine|ozogamicin|duocarmazine|mafodotin|monatox|pasudotox|soravtansine))'],
        ['radioimmunoconjugate', '((?:technetium|iodine|yttrium|indium).*mab|mab (?:pendetide|pentetate|tiuxetan))'],
        ['bispecific_antibody', '(glofitamab|talquetamab|odronextamab|zanidatamab|catumaxomab|zenocutuzumab)'],
        ['monoclonal_antibody', '(mab(?:[^a-z]|$)|monoclonal antibod|muromonab)'],
        ['polysaccharide', '(tilmanocept)'],
        ['fc_fusion_protein', '(cept$|alefacept|efgartigimod)'],
        ['recombinant_insulin', '(insulin)'],
        ['recombinant_cytokine', '(interferon|leukin$|oprelvekin|kinra$|inbakicept|tasonermin)'],
        ['recombinant_growth_factor', '(poetin|grastim|fermin$|plermin$|mecasermin|nermin$|cenegermin|sargramostim|termin)'],
        ['recombinant_protein_hormone', '(somatropin|follitropin|lutropin|gonadotropin alfa|thyrotropin)'],
        ['recombinant_enzyme',
            '((?:[ts]id|lip|fat|[sd]orn|tepl|nucle|argin|agin|glucer)ase (?:alfa|beta)|teplase|arginase|lifidase|pegol|ocriplasmin|[a-z]ase alfa)'],
        ['extracted_protein', '(collagenase|asparaginase|chymopapain|hyaluronidase|aprotinin|sacrosidase|fibrinolysin)'],
        ['lung_surfactant', '(beractant|calfactant|poractant)'],
        ['heparin', '(heparin|parin(?: sodium)?$)'],
        ['other_recombinant_protein', '(fusp$|hirudin| alfa| alpha| beta| delta| theta| zeta)'],
    ] -%}
    case
        {%- for modality, pattern in patterns %}
        when {{ regexp_part(name, pattern) }} is not null then '{{ modality }}'
        {%- endfor %}
    end
{%- endmacro %}
