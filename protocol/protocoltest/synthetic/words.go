package synthetic

// Names and places are made up, and chosen so that none is part of a clinical term.

var families = []string{
	"Quillvane", "Brastowe", "Merrowick", "Tandleby", "Oskarrin", "Fennimarch", "Drubeckar", "Halvestrand", "Ipswolden",
	"Jorrimund", "Kettlewray", "Lunsgarth", "Mabbeker", "Norrowby", "Orchandale", "Pelligrue", "Quennerby", "Rastovian",
	"Skelderin", "Thrawmoor", "Ulverstane", "Vantrossel", "Wexcombard", "Yarnwether", "Zabrinskov", "O'Dunnavey",
	"Żółtarek", "Müllenbrandt", "St. Averoigne", "de la Sarrasca",
}

var givens = []string{
	"Adalvina", "Brenneke", "Corvinus", "Dagmarie", "Elswyth", "Ferrando", "Gisbert", "Hollisander", "Ilvarine", "Jessamond",
	"Kolbrun", "Lysandrel", "Mordecay", "Nerissane", "Oberlin", "Perpetuah", "Quintavia", "Rosamunde", "Sigbjorn", "Thessalie",
	"Umbertoh", "Valdemara", "Wilfrieda", "Xanthippa", "Ysoldine", "Zephyrine",
}

var streets = []string{
	"Lanternmaker Row", "Old Ferrygate", "Saltmarsh Causeway", "Quarrymen Terrace", "Bellfounders Close", "Heronswood Drive",
	"Tollkeeper Lane", "Copperbeech Avenue",
}

var cities = []string{
	"Harrowmede", "Port Silvane", "Eastwickham Falls", "Nether Tarrow", "Brackwater Junction", "Millhollow Springs", "Ostergrove",
}

// zips mixes ordinary ZIP codes with areas of 20,000 people or fewer, of which not even three
// digits may stay, and with one that has no residents.
var zips = []struct{ state, zip string }{
	{"KS", "66801"},
	{"MA", "02139"},
	{"NH", "03601"},
	{"VT", "05901"},
	{"NY", "10213"},
	{"DC", "20252"},
	{"AL", "36901"},
	{"MN", "55601"},
	{"NE", "69201"},
	{"WY", "82101"},
	{"NM", "87901"},
	{"NV", "89301"},
	{"AE", "09012"},
	{"TX", "77201"},
	{"OH", "43017"},
	{"CA", "94110"},
}

// term is one code with its display.
type term struct{ code, display string }

const (
	snomed = "http://snomed.info/sct"
	loinc  = "http://loinc.org"
	rxnorm = "http://www.nlm.nih.gov/research/umls/rxnorm"
	cvx    = "http://hl7.org/fhir/sid/cvx"
	hl7    = "http://terminology.hl7.org/CodeSystem/"
	npi    = "http://hl7.org/fhir/sid/us-npi"
	ours   = "https://records.example.org/ids" // identifier system of the exporting hospital
	usCore = "http://hl7.org/fhir/us/core/StructureDefinition/"
	fhir   = "http://hl7.org/fhir/StructureDefinition/"
)

var conditions = []term{
	{"44054006", "Diabetes mellitus type 2 (disorder)"},
	{"59621000", "Essential hypertension (disorder)"},
	{"195967001", "Asthma (disorder)"},
	{"10509002", "Acute bronchitis (disorder)"},
	{"55822004", "Hyperlipidemia (disorder)"},
	{"22298006", "Myocardial infarction (disorder)"},
	{"13645005", "Chronic obstructive lung disease (disorder)"},
	{"414545008", "Ischemic heart disease (disorder)"},
	{"271737000", "Anemia (disorder)"},
}

var procedures = []term{
	{"80146002", "Appendectomy (procedure)"},
	{"430193006", "Medication reconciliation (procedure)"},
	{"73761001", "Colonoscopy (procedure)"},
	{"71651007", "Mammography (procedure)"},
	{"23426006", "Measurement of respiratory function (procedure)"},
	{"40701008", "Echocardiography (procedure)"},
}

var visitTerms = []term{
	{"185345009", "Encounter for symptom (procedure)"},
	{"162673000", "General examination of patient (procedure)"},
	{"50849002", "Emergency room admission (procedure)"},
	{"185349003", "Encounter for check up (procedure)"},
}

var drugs = []term{
	{"314076", "lisinopril 10 MG Oral Tablet"},
	{"860975", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet"},
	{"308136", "amlodipine 2.5 MG Oral Tablet"},
	{"312961", "simvastatin 20 MG Oral Tablet"},
}

var vaccines = []term{
	{"140", "Influenza, seasonal, injectable, preservative free"},
	{"115", "Tdap"},
	{"133", "Pneumococcal conjugate PCV 13"},
	{"08", "Hep B, adolescent or pediatric"},
}

var allergens = []term{{"1191", "Aspirin"}, {"7984", "Penicillin V"}, {"2670", "Codeine"}}

var devices = []term{
	{"706004007", "Implantable cardiac pacemaker (physical object)"},
	{"337414009", "Blood glucose meter (physical object)"},
	{"72506001", "Implantable defibrillator (physical object)"},
}

var noteTypes = []term{
	{"34117-2", "History and physical note"}, {"11506-3", "Progress note"}, {"18842-5", "Discharge summary"},
}
